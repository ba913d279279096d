"""AWS: machines are EC2 instances of one account and region.

May import botocore, urllib3, ``hybridge.core`` and ``hybridge.drivers.base``. ``client`` sends, ``errors`` classifies,
``mapping`` translates, ``catalogue`` looks up what machines are made from, ``machines`` and ``driver`` are the port.
``data`` holds the part of botocore's model of EC2 that is used, and ``subset`` cuts it out.
"""
