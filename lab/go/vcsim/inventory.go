package main

import (
	"context"
	"errors"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/find"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	release = "8.0.3"
	gib     = 1 << 30
)

// newModel is a small company's vCenter: one datacenter with a cluster, a host apart, two datastores and a
// distributed switch.
func newModel(o options) (*simulator.Model, error) {
	enlargeHosts()
	model := simulator.VPX()
	model.ClusterHost = o.hosts
	model.Datastore = 2
	model.Machine = 0
	model.Autostart = false
	about := &model.ServiceContent.About
	about.Version, about.ApiVersion = release, release+".0"
	about.FullName = "VMware vCenter Server " + release
	about.InstanceUuid = o.instanceUUID
	if about.InstanceUuid == "" {
		about.InstanceUuid = uuid.NewString()
	}
	if err := model.Create(); err != nil {
		return nil, err
	}
	return model, nil
}

// furnish adds what people add: folders, port groups and templates.
func furnish(ctx context.Context, model *simulator.Model) error {
	client, err := vim25.NewClient(ctx, model.Service)
	if err != nil {
		return err
	}
	finder := find.NewFinder(client, false)
	center, err := finder.Datacenter(ctx, "DC0")
	if err != nil {
		return err
	}
	finder.SetDatacenter(center)
	folders, err := center.Folders(ctx)
	if err != nil {
		return err
	}
	for _, name := range []string{"hybridge", "archive"} {
		if _, err = folders.VmFolder.CreateFolder(ctx, name); err != nil {
			return err
		}
	}
	if err = addPortGroups(ctx, finder, "frontend", "backend"); err != nil {
		return err
	}
	templates, err := folders.VmFolder.CreateFolder(ctx, "templates")
	if err != nil {
		return err
	}
	pool, err := finder.ResourcePool(ctx, "DC0_C0/Resources")
	if err != nil {
		return err
	}
	if _, err = pool.Create(ctx, "gold", types.DefaultResourceConfigSpec()); err != nil {
		return err
	}
	err = addTemplate(ctx, templates, pool, "debian-12", types.VirtualMachineGuestOsIdentifierDebian12_64Guest)
	if err != nil {
		return err
	}
	return addTemplate(ctx, templates, pool, "ubuntu-24.04", types.VirtualMachineGuestOsIdentifierUbuntu64Guest)
}

func addPortGroups(ctx context.Context, finder *find.Finder, names ...string) error {
	network, err := finder.Network(ctx, "DVS0")
	if err != nil {
		return err
	}
	dvs, ok := network.(*object.DistributedVirtualSwitch)
	if !ok {
		return errors.New("DVS0 is not a distributed switch")
	}
	var specs []types.DVPortgroupConfigSpec
	for _, name := range names {
		specs = append(specs, types.DVPortgroupConfigSpec{
			Name: name, Type: string(types.DistributedVirtualPortgroupPortgroupTypeEarlyBinding), NumPorts: 8,
		})
	}
	task, err := dvs.AddPortgroup(ctx, specs)
	if err != nil {
		return err
	}
	return task.Wait(ctx)
}

func addTemplate(
	ctx context.Context, folder *object.Folder, pool *object.ResourcePool, name string,
	guest types.VirtualMachineGuestOsIdentifier,
) error {
	const store = "[LocalDS_0]"
	var devices object.VirtualDeviceList
	scsi, err := devices.CreateSCSIController("pvscsi")
	if err != nil {
		return err
	}
	disk := devices.CreateDisk(scsi.(types.BaseVirtualController), types.ManagedObjectReference{}, "")
	disk.CapacityInKB = 10 * gib / 1024
	disk.Backing.(*types.VirtualDiskFlatVer2BackingInfo).ThinProvisioned = types.NewBool(true)
	card, err := devices.CreateEthernetCard("vmxnet3", &types.VirtualEthernetCardNetworkBackingInfo{
		VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
	})
	if err != nil {
		return err
	}
	// A vCenter's own numbers, which some clients take for granted.
	scsi.GetVirtualDevice().Key, disk.Key, disk.ControllerKey = 1000, 2000, 1000
	card.GetVirtualDevice().Key = 4000
	devices = append(devices, scsi, disk, card)
	config := types.VirtualMachineConfigSpec{
		Name:     name,
		GuestId:  string(guest),
		NumCPUs:  1,
		MemoryMB: 1024,
		Files:    &types.VirtualMachineFileInfo{VmPathName: store},
	}
	if config.DeviceChange, err = devices.ConfigSpec(types.VirtualDeviceConfigSpecOperationAdd); err != nil {
		return err
	}
	task, err := folder.CreateVM(ctx, config, pool, nil)
	if err != nil {
		return err
	}
	info, err := task.WaitForResult(ctx, nil)
	if err != nil {
		return err
	}
	return object.NewVirtualMachine(folder.Client(), info.Result.(types.ManagedObjectReference)).MarkAsTemplate(ctx)
}
