"""S3 in front of the same containers and objects: buckets are the caller's containers, keys their objects.

A request is read (requests), its signature checked (signatures, gate, bodies), and one operation (service, buckets, objects,
multipart ...) asks the pipeline that the Swift API stands on too. Parts of uploads are in the container `<bucket>+segments`.
"""
