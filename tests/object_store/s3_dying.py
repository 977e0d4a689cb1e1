"""Object storage that dies while an upload of S3 is completed: run as a program, it does that request and is killed by its own failpoint.

python -m tests.object_store.s3_dying FOLDER KEY UPLOAD ETAG...
"""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.object_store.s3_world import S3World


def completed(client: Any, key: str, upload: str, etags: Sequence[str]) -> Any:
    """The upload's parts are one object."""
    parts = [{"PartNumber": number, "ETag": etag} for number, etag in enumerate(etags, 1)]
    return client.complete_multipart_upload(Bucket="bucket", Key=key, UploadId=upload, MultipartUpload={"Parts": parts})


if __name__ == "__main__":
    world = S3World(Path(sys.argv[1]))
    completed(world.client(), sys.argv[2], sys.argv[3], sys.argv[4:])
    print("completed", flush=True)
    world.close()
