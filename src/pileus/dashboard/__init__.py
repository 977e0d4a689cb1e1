"""The web side of the cloud: pages a browser opens. For now, the consoles of servers.

Pages are clients like any other: what they may do is what their token says.
"""
