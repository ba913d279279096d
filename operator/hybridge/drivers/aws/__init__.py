"""AWS: machines are EC2 instances of one account and region.

May import botocore, urllib3, ``hybridge.core`` and ``hybridge.drivers.base``. ``client`` sends, ``errors`` classifies,
``mapping`` and ``offers`` translate, ``catalogue`` and ``zones`` look up what machines are made from and where they can
be, ``placement`` chooses, ``launch`` finds the words of a new machine, ``changes`` and ``interfaces`` change those that
exist, ``machines`` and ``driver`` are the port. ``data`` holds the part of botocore's model of EC2 that is used, and
``subset`` cuts it out.
"""
