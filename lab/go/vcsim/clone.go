package main

import (
	"reflect"
	"slices"

	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// CloneVMTask honours the whole specification: the simulator drops config and powerOn.
func (m *machines) CloneVMTask(ctx *simulator.Context, req *types.CloneVM_Task) soap.HasFault {
	source := machine(ctx, req.This)
	folder, ok := ctx.Map.Get(req.Folder).(*simulator.Folder)
	if !ok {
		return &methods.CloneVM_TaskBody{Fault_: simulator.Fault("", missing(req.Folder))}
	}
	location := &req.Spec.Location
	for _, ref := range []*types.ManagedObjectReference{location.Pool, location.Host, location.Datastore} {
		if ref != nil && ctx.Map.Get(*ref) == nil {
			return &methods.CloneVM_TaskBody{Fault_: simulator.Fault("", missing(*ref))}
		}
	}
	ref := m.task(ctx, source, "clone", "CloneVM_Task", func() (types.AnyType, types.BaseMethodFault) {
		vm, fault := m.clone(ctx, source, folder, req)
		if fault != nil {
			return nil, fault
		}
		return vm.Self, nil
	})
	return &methods.CloneVM_TaskBody{Res: &types.CloneVM_TaskResponse{Returnval: ref}}
}

func (m *machines) clone(
	ctx *simulator.Context, source *simulator.VirtualMachine, folder *simulator.Folder, req *types.CloneVM_Task,
) (*simulator.VirtualMachine, types.BaseMethodFault) {
	pool := req.Spec.Location.Pool
	if pool == nil {
		pool = source.ResourcePool
	}
	if pool == nil { // templates have none
		return nil, &types.InvalidArgument{InvalidProperty: "spec.location.pool"}
	}
	host := req.Spec.Location.Host
	if host == nil {
		host = m.place(ctx, *pool)
	}
	if host != nil {
		if fault := usable(ctx, *host); fault != nil {
			return nil, fault
		}
	}
	config, fault := cloneConfig(ctx, source, req)
	if fault != nil {
		return nil, fault
	}
	if fault := checkDevices(ctx, folder, config.DeviceChange); fault != nil {
		return nil, fault
	}
	return m.create(ctx, folder, *config, *pool, host, func(vm *simulator.VirtualMachine) types.BaseMethodFault {
		m.policies.place(vm.Self, &req.Spec.Location)
		if req.Spec.Config != nil {
			m.policies.configure(vm.Self, req.Spec.Config)
		}
		if req.Spec.Template {
			vm.MarkAsTemplate(&types.MarkAsTemplate{This: vm.Self})
			return nil
		}
		if req.Spec.PowerOn {
			res := vm.PowerOnVMTask(ctx, &types.PowerOnVM_Task{This: vm.Self})
			_, fault := m.feed.await(ctx, res.(*methods.PowerOnVM_TaskBody).Res.Returnval)
			return fault
		}
		return nil
	})
}

// place chooses a host of the pool's cluster, one after the other.
func (m *machines) place(ctx *simulator.Context, pool types.ManagedObjectReference) *types.ManagedObjectReference {
	resources, ok := ctx.Map.Get(pool).(*simulator.ResourcePool)
	if !ok {
		return nil
	}
	var hosts []types.ManagedObjectReference
	switch owner := ctx.Map.Get(resources.Owner).(type) {
	case *simulator.ClusterComputeResource:
		hosts = owner.Host
	case *mo.ComputeResource:
		hosts = owner.Host
	}
	if len(hosts) == 0 {
		return nil
	}
	for range hosts {
		host := hosts[int(m.nextHost.Add(1))%len(hosts)]
		if usable(ctx, host) == nil {
			return &host
		}
	}
	return nil
}

// cloneConfig is the source's configuration with the request's on top. Like a vCenter's clone it copies extraConfig,
// and so everything that somebody wrote there to mark the source; UUIDs and MAC addresses are new.
func cloneConfig(
	ctx *simulator.Context, source *simulator.VirtualMachine, req *types.CloneVM_Task,
) (*types.VirtualMachineConfigSpec, types.BaseMethodFault) {
	from := source.Config
	if ref := req.Spec.Snapshot; ref != nil { // as the source was then
		snapshot, vm := snapshotOf(ctx, *ref)
		if vm == nil || vm.Self != source.Self {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.snapshot"}
		}
		from = &snapshot.Config
	}
	var path object.DatastorePath
	path.FromString(from.Files.VmPathName)
	path.Path = req.Name
	if ref := req.Spec.Location.Datastore; ref != nil {
		path.Datastore = ctx.Map.Get(*ref).(*simulator.Datastore).Name
	}
	config := &types.VirtualMachineConfigSpec{
		Version:             from.Version,
		GuestId:             from.GuestId,
		Annotation:          from.Annotation,
		Firmware:            from.Firmware,
		NumCPUs:             from.Hardware.NumCPU,
		NumCoresPerSocket:   from.Hardware.NumCoresPerSocket,
		MemoryMB:            int64(from.Hardware.MemoryMB),
		CpuHotAddEnabled:    from.CpuHotAddEnabled,
		CpuHotRemoveEnabled: from.CpuHotRemoveEnabled,
		MemoryHotAddEnabled: from.MemoryHotAddEnabled,
		BootOptions:         from.BootOptions,
		ExtraConfig:         slices.Clone(from.ExtraConfig),
	}
	devices := cloneDevices(from.Hardware.Device)
	changes := req.Spec.Location.DeviceChange
	if over := req.Spec.Config; over != nil {
		overlay(config, over)
		config.ExtraConfig = mergeOptions(from.ExtraConfig, over.ExtraConfig)
		changes = append(changes, over.DeviceChange...)
	}
	config.Name = req.Name
	config.Files = &types.VirtualMachineFileInfo{VmPathName: path.String()}
	var fault types.BaseMethodFault
	config.DeviceChange, fault = mergeDevices(devices, changes)
	return config, fault
}

// overlay copies every field that is set, except those that are merged item by item.
func overlay(config, over *types.VirtualMachineConfigSpec) {
	to, from := reflect.ValueOf(config).Elem(), reflect.ValueOf(over).Elem()
	for i := range from.NumField() {
		switch from.Type().Field(i).Name {
		case "ExtraConfig", "DeviceChange":
			continue
		}
		if value := from.Field(i); !value.IsZero() {
			to.Field(i).Set(value)
		}
	}
}

// mergeOptions sets options by key; an empty value removes one.
func mergeOptions(options, changes []types.BaseOptionValue) []types.BaseOptionValue {
	result := slices.Clone(options)
	for _, change := range changes {
		wanted := change.GetOptionValue()
		result = slices.DeleteFunc(result, func(o types.BaseOptionValue) bool {
			return o.GetOptionValue().Key == wanted.Key
		})
		if wanted.Value != "" {
			result = append(result, wanted)
		}
	}
	return result
}

func cloneDevices(devices []types.BaseVirtualDevice) object.VirtualDeviceList {
	defaults := object.VirtualDeviceList(esx.VirtualDevice)
	all := object.VirtualDeviceList(devices)
	var result object.VirtualDeviceList
	for _, device := range devices {
		if defaults.Find(all.Name(device)) != nil {
			continue // every new machine has these
		}
		fresh := copyDevice(device)
		if card, ok := fresh.(types.BaseVirtualEthernetCard); ok {
			if c := card.GetVirtualEthernetCard(); c.AddressType != string(types.VirtualEthernetCardMacTypeManual) {
				c.MacAddress = ""
			}
		}
		result = append(result, fresh)
	}
	return result
}
