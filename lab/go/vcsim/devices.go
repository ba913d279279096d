package main

import (
	"bytes"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
	"github.com/vmware/govmomi/vim25/xml"
)

func copyDevice(device types.BaseVirtualDevice) types.BaseVirtualDevice {
	var text bytes.Buffer
	source := types.ArrayOfVirtualDevice{VirtualDevice: []types.BaseVirtualDevice{device}}
	if err := xml.NewEncoder(&text).Encode(source); err != nil {
		panic(err)
	}
	decoder := xml.NewDecoder(&text)
	decoder.TypeFunc = types.TypeFunc()
	var copied types.ArrayOfVirtualDevice
	if err := decoder.Decode(&copied); err != nil {
		panic(err)
	}
	return copied.VirtualDevice[0]
}

// mergeDevices is what a new machine is created with: the source's devices, changed as asked.
func mergeDevices(
	devices object.VirtualDeviceList, changes []types.BaseVirtualDeviceConfigSpec,
) ([]types.BaseVirtualDeviceConfigSpec, types.BaseMethodFault) {
	if fault := completeEdits(changes, devices); fault != nil {
		return nil, fault
	}
	var added []types.BaseVirtualDeviceConfigSpec
	for i, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		if change.Operation == types.VirtualDeviceConfigSpecOperationAdd {
			added = append(added, change)
			continue
		}
		at := -1
		for j, device := range devices {
			if device.GetVirtualDevice().Key == change.Device.GetVirtualDevice().Key {
				at = j
			}
		}
		switch {
		case at < 0:
			return nil, &types.InvalidDeviceSpec{DeviceIndex: int32(i)}
		case change.Operation == types.VirtualDeviceConfigSpecOperationRemove:
			devices = append(devices[:at:at], devices[at+1:]...)
		default:
			devices[at] = change.Device
		}
	}
	var result []types.BaseVirtualDeviceConfigSpec
	for _, device := range devices {
		spec := &types.VirtualDeviceConfigSpec{Operation: types.VirtualDeviceConfigSpecOperationAdd, Device: device}
		if disk, ok := device.(*types.VirtualDisk); ok {
			disk.VDiskId = nil
			spec.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
			if backing, ok := disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo); ok {
				// The copy gets a file and a UUID of its own.
				backing.FileName, backing.Uuid, backing.Parent, backing.Datastore = "", "", nil, nil
			}
		}
		result = append(result, spec)
	}
	return append(result, added...), nil
}

// completeEdits fills what an edit leaves out from the device as it is, and refuses a disk that would shrink.
func completeEdits(
	changes []types.BaseVirtualDeviceConfigSpec, devices object.VirtualDeviceList,
) types.BaseMethodFault {
	for i, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		if change.Operation == types.VirtualDeviceConfigSpecOperationAdd || change.Device == nil {
			continue
		}
		old := devices.FindByKey(change.Device.GetVirtualDevice().Key)
		if old == nil {
			return &types.InvalidDeviceSpec{
				InvalidVmConfig: types.InvalidVmConfig{Property: "configSpec.deviceChange"}, DeviceIndex: int32(i),
			}
		}
		if change.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			change.Device = old
			continue
		}
		completeDevice(change.Device.GetVirtualDevice(), copyDevice(old).GetVirtualDevice())
		switch device := change.Device.(type) {
		case *types.VirtualDisk:
			before, ok := old.(*types.VirtualDisk)
			if ok {
				device.VDiskId = before.VDiskId
			}
			if !ok || !resize(device, before) {
				return &types.InvalidDeviceOperation{InvalidDeviceSpec: types.InvalidDeviceSpec{DeviceIndex: int32(i)}}
			}
		case types.BaseVirtualEthernetCard:
			if before, ok := old.(types.BaseVirtualEthernetCard); ok {
				completeCard(device.GetVirtualEthernetCard(), before.GetVirtualEthernetCard())
			}
		}
	}
	return nil
}

func completeDevice(device, old *types.VirtualDevice) {
	if device.Backing == nil {
		device.Backing = old.Backing
	}
	if device.ControllerKey == 0 {
		device.ControllerKey = old.ControllerKey
	}
	if device.UnitNumber == nil {
		device.UnitNumber = old.UnitNumber
	}
	if device.Connectable == nil {
		device.Connectable = old.Connectable
	}
	if device.DeviceInfo == nil {
		device.DeviceInfo = old.DeviceInfo
	}
}

func completeCard(card, old *types.VirtualEthernetCard) {
	if card.MacAddress == "" {
		card.MacAddress, card.AddressType = old.MacAddress, old.AddressType
	}
	if card.ResourceAllocation == nil {
		card.ResourceAllocation = old.ResourceAllocation
	}
}

// resize settles a disk's two capacities, of which clients set one; false when the disk would shrink.
func resize(disk, old *types.VirtualDisk) bool {
	size := disk.CapacityInBytes
	if size == 0 || size == old.CapacityInBytes {
		size = disk.CapacityInKB * 1024
	}
	if size == 0 {
		size = old.CapacityInBytes
	}
	disk.CapacityInBytes, disk.CapacityInKB = size, size/1024
	return size >= old.CapacityInBytes
}

// checkDevices refuses a network card on a network that is not there, which would end the simulator.
func checkDevices(
	ctx *simulator.Context, near mo.Entity, changes []types.BaseVirtualDeviceConfigSpec,
) types.BaseMethodFault {
	for i, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		card, ok := change.Device.(types.BaseVirtualEthernetCard)
		if !ok || change.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			continue
		}
		if !connects(ctx, near, card.GetVirtualEthernetCard().Backing) {
			return &types.InvalidDeviceBacking{InvalidDeviceSpec: types.InvalidDeviceSpec{
				InvalidVmConfig: types.InvalidVmConfig{Property: "virtualDeviceSpec.device.backing"},
				DeviceIndex:     int32(i),
			}}
		}
	}
	return nil
}

func connects(ctx *simulator.Context, near mo.Entity, backing types.BaseVirtualDeviceBackingInfo) bool {
	switch b := backing.(type) {
	case *types.VirtualEthernetCardNetworkBackingInfo:
		if network, ok := entity(ctx, b.Network).(*mo.Network); ok && b.DeviceName == "" {
			b.DeviceName = network.Name
		}
		center := datacenter(ctx, near)
		return center != nil && ctx.Map.FindByName(b.DeviceName, center.Network) != nil
	case *types.VirtualEthernetCardDistributedVirtualPortBackingInfo:
		ref := types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: b.Port.PortgroupKey}
		return ctx.Map.Get(ref) != nil
	}
	return true
}

func entity(ctx *simulator.Context, ref *types.ManagedObjectReference) mo.Reference {
	if ref == nil {
		return nil
	}
	return ctx.Map.Get(*ref)
}

func datacenter(ctx *simulator.Context, near mo.Entity) *simulator.Datacenter {
	for near != nil {
		if center, ok := near.(*simulator.Datacenter); ok {
			return center
		}
		near, _ = entity(ctx, near.Entity().Parent).(mo.Entity)
	}
	return nil
}
