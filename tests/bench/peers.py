"""What other operators and tools showed when they were measured: earlier, elsewhere, on simulators with instant tasks.

They are for orientation. What this bench compares in one run are the simulators themselves and controller-runtime.
"""

from __future__ import annotations

ACK = "ACK ec2-controller"
VIRTRIGAUD = "VirtRigaud"
TOFU = "OpenTofu 1.12.6 with bpg/proxmox"

RATE = f"EC2 14.9 ({ACK}); Proxmox VE 3.0, vSphere 7.2 ({VIRTRIGAUD}); Proxmox VE 20 to 23 ({TOFU})"
ALONE = f"Proxmox VE 12.2, vSphere 5.2 ({VIRTRIGAUD}); Proxmox VE 0.5 ({TOFU})"
REQUESTS = f"EC2 3.9 ({ACK}); Proxmox VE 11, vSphere 35 ({VIRTRIGAUD}); Proxmox VE 16 ({TOFU})"
WRITES = f"4 ({VIRTRIGAUD})"
MEMORY = f"73 MB ({ACK}); 140 MB ({TOFU})"
REST_REQUESTS = f"Proxmox VE 1200, vSphere 2400 ({VIRTRIGAUD})"
REST_WRITES = f"600 ({VIRTRIGAUD})"
