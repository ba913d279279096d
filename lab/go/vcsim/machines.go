package main

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/object"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// hotPlugNotSupported chooses the fault for hardware changed under a running machine: InvalidPowerState, or the pair
// CpuHotPlugNotSupported and MemoryHotPlugNotSupported. The API reference allows both.
var hotPlugNotSupported atomic.Bool

// machines takes the calls about virtual machines that the simulator answers unlike a vCenter.
type machines struct {
	resident
	unlocked
	feed     *feed
	policies *associations
	disks    *disks

	nextHost atomic.Uint32
	nextMAC  atomic.Uint32

	mu       sync.Mutex
	arriving map[types.ManagedObjectReference]*arrival // by folder
	owners   map[string]types.ManagedObjectReference   // machines by instance UUID
}

// arrival is a machine on its way into a folder. Nobody sees it before it is whole.
type arrival struct {
	ctx    *simulator.Context
	name   string
	unlock func()
}

func newMachines(feed *feed, policies *associations, disks *disks) *machines {
	return &machines{
		resident: newResident("machines"),
		feed:     feed,
		policies: policies,
		disks:    disks,
		arriving: make(map[types.ManagedObjectReference]*arrival),
		owners:   make(map[string]types.ManagedObjectReference),
	}
}

// PutObject locks a machine that has just been put into a folder, until create has finished it.
func (m *machines) PutObject(ctx *simulator.Context, o mo.Reference) {
	vm, ok := o.(*simulator.VirtualMachine)
	if !ok {
		return
	}
	// pyvmomi refuses an object whose enumerations are empty.
	for _, state := range []*types.VirtualMachineRuntimeInfo{&vm.Runtime, &vm.Summary.Runtime} {
		state.FaultToleranceState = types.VirtualMachineFaultToleranceStateNotConfigured
		state.RecordReplayState = types.VirtualMachineRecordReplayStateInactive
		state.ConsolidationNeeded = false
	}
	if a := m.expected(&vm.VirtualMachine); a != nil && a.unlock == nil {
		a.unlock = ctx.Map.AcquireLock(a.ctx, vm)
	}
}

// UpdateObject keeps the three names of a machine the same. An arriving one gets its name before it is in the folder:
// the simulator's search ends with a panic, and a lock held for ever, when it finds a machine without.
func (m *machines) UpdateObject(_ *simulator.Context, o mo.Reference, changes []types.PropertyChange) {
	vm, ok := o.(*mo.VirtualMachine)
	if !ok || vm.Config == nil {
		return
	}
	if vm.Name == "" {
		if a := m.expected(vm); a != nil {
			vm.Name = a.name
		}
	}
	for _, change := range changes {
		if change.Name == "name" {
			vm.Config.Name, vm.Summary.Config.Name = vm.Name, vm.Name
		}
	}
}

// RemoveObject forgets a machine's instance UUID and its storage policies.
func (m *machines) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	m.policies.forget(ref)
	m.mu.Lock()
	defer m.mu.Unlock()
	for id, owner := range m.owners {
		if owner == ref {
			delete(m.owners, id)
		}
	}
}

// claim gives an instance UUID to a machine. Like a vCenter it gives a new one when none is asked for, or when
// another machine has it already.
func (m *machines) claim(ref types.ManagedObjectReference, wanted string) string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if owner, taken := m.owners[wanted]; wanted == "" || taken && owner != ref {
		wanted = uuid.NewString()
	}
	for id, owner := range m.owners {
		if owner == ref {
			delete(m.owners, id)
		}
	}
	m.owners[wanted] = ref
	return wanted
}

// task starts one of the lab's own tasks on a machine or a folder. Its name is the method's, as on a vCenter.
func (m *machines) task(
	ctx *simulator.Context, entity mo.Reference, id, name string,
	execute func() (types.AnyType, types.BaseMethodFault),
) types.ManagedObjectReference {
	task := simulator.CreateTask(entity, id, func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		return execute()
	})
	task.Info.Name = name
	return task.Run(ctx)
}

func missing(ref types.ManagedObjectReference) types.BaseMethodFault {
	return &types.ManagedObjectNotFound{Obj: ref}
}

// machine is the registry's machine; nil when it was destroyed.
func machine(ctx *simulator.Context, ref types.ManagedObjectReference) *simulator.VirtualMachine {
	vm, _ := ctx.Map.Get(ref).(*simulator.VirtualMachine)
	return vm
}

// taken is the DuplicateName fault when an object of a folder has this name already.
func taken(
	ctx *simulator.Context, folder *simulator.Folder, name string, except types.ManagedObjectReference,
) types.BaseMethodFault {
	if o := ctx.Map.FindByName(name, folder.ChildEntity); o != nil && o.Reference() != except {
		return &types.DuplicateName{Name: name, Object: o.Reference()}
	}
	return nil
}

// CreateVMTask refuses a name that is taken, and gives every machine UUIDs of its own.
func (m *machines) CreateVMTask(ctx *simulator.Context, req *types.CreateVM_Task) soap.HasFault {
	folder, ok := ctx.Map.Get(req.This).(*simulator.Folder)
	if !ok {
		return &methods.CreateVM_TaskBody{Fault_: simulator.Fault("", missing(req.This))}
	}
	ref := m.task(ctx, folder, "createVm", "CreateVM_Task", func() (types.AnyType, types.BaseMethodFault) {
		if fault := checkDevices(ctx, folder, req.Config.DeviceChange); fault != nil {
			return nil, fault
		}
		vm, fault := m.create(ctx, folder, req.Config, req.Pool, req.Host)
		if fault != nil {
			return nil, fault
		}
		return vm.Self, nil
	})
	return &methods.CreateVM_TaskBody{Res: &types.CreateVM_TaskResponse{Returnval: ref}}
}

// create makes a machine in a folder; finish, if any, runs before others can see it.
func (m *machines) create(
	ctx *simulator.Context, folder *simulator.Folder, config types.VirtualMachineConfigSpec,
	pool types.ManagedObjectReference, host *types.ManagedObjectReference,
	finish ...func(*simulator.VirtualMachine) types.BaseMethodFault,
) (vm *simulator.VirtualMachine, fault types.BaseMethodFault) {
	release := ctx.Map.AcquireLock(ctx, folder)
	defer release()
	if fault = taken(ctx, folder, config.Name, types.ManagedObjectReference{}); fault != nil {
		return nil, fault
	}
	if config.Uuid == "" {
		config.Uuid = uuid.NewString()
	}
	m.nameNICs(config.DeviceChange, nil)
	wanted := config.InstanceUuid
	config.InstanceUuid = ""

	a := &arrival{ctx: ctx, name: config.Name}
	m.expect(folder.Self, a)
	defer func() {
		m.expect(folder.Self, nil)
		if a.unlock != nil {
			a.unlock()
		}
	}()
	res := folder.CreateVMTask(ctx, &types.CreateVM_Task{This: folder.Self, Config: config, Pool: pool, Host: host})
	result, fault := m.feed.await(ctx, res.(*methods.CreateVM_TaskBody).Res.Returnval)
	if fault != nil {
		return nil, fault
	}
	vm = machine(ctx, result.(types.ManagedObjectReference))
	m.setInstanceUUID(vm, wanted)
	vm.Summary.Config.Annotation = vm.Config.Annotation
	installTools(vm)
	for _, step := range finish {
		if fault = step(vm); fault != nil {
			return vm, fault
		}
	}
	m.feed.note(vm.Self, false)
	return vm, nil
}

// expected is the arrival that this machine is of, if any.
func (m *machines) expected(vm *mo.VirtualMachine) *arrival {
	if vm.Parent == nil {
		return nil
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.arriving[*vm.Parent]
}

func (m *machines) expect(folder types.ManagedObjectReference, a *arrival) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if a == nil {
		delete(m.arriving, folder)
	} else {
		m.arriving[folder] = a
	}
}

func (m *machines) setInstanceUUID(vm *simulator.VirtualMachine, wanted string) {
	vm.Config.InstanceUuid = m.claim(vm.Self, wanted)
	vm.Summary.Config.InstanceUuid = vm.Config.InstanceUuid
}

// escaped is a name as a vCenter keeps it.
func escaped(name string) string {
	return strings.NewReplacer("/", "%2f", "\\", "%5c").Replace(name)
}

const (
	// A vCenter numbers network cards from here on, in the order of their places on the bus.
	firstCard = 4000
	firstUnit = 7
)

// nameNICs gives network cards numbers like a vCenter's, and addresses that are unique in this one; the simulator has
// 4,096 of them.
func (m *machines) nameNICs(changes []types.BaseVirtualDeviceConfigSpec, devices object.VirtualDeviceList) {
	taken := make(map[int32]bool)
	for _, device := range devices {
		taken[device.GetVirtualDevice().Key] = true
	}
	for _, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		taken[change.Device.GetVirtualDevice().Key] = change.Operation != types.VirtualDeviceConfigSpecOperationRemove
	}
	for _, item := range changes {
		card, ok := item.GetVirtualDeviceConfigSpec().Device.(types.BaseVirtualEthernetCard)
		if !ok {
			continue
		}
		if device := card.GetVirtualEthernetCard(); device.Key <= 0 {
			key := int32(firstCard)
			for taken[key] {
				key++
			}
			taken[key] = true
			device.Key, device.ControllerKey = key, 100
			device.UnitNumber = types.NewInt32(key - firstCard + firstUnit)
		}
		if card.GetVirtualEthernetCard().MacAddress != "" {
			continue
		}
		n := m.nextMAC.Add(1)
		card.GetVirtualEthernetCard().MacAddress = fmt.Sprintf("00:50:56:%02x:%02x:%02x", 0x80|n>>16&0x3f, n>>8&0xff, n&0xff)
		card.GetVirtualEthernetCard().AddressType = string(types.VirtualEthernetCardMacTypeAssigned)
	}
}

// RenameTask says DuplicateName where the simulator says InvalidArgument.
func (m *machines) RenameTask(ctx *simulator.Context, req *types.Rename_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	ref := m.task(ctx, vm, "rename", "Rename_Task", func() (types.AnyType, types.BaseMethodFault) {
		if folder, ok := ctx.Map.Get(*vm.Parent).(*simulator.Folder); ok {
			if fault := taken(ctx, folder, req.NewName, vm.Self); fault != nil {
				return nil, fault
			}
		}
		ctx.Update(vm, []types.PropertyChange{{Name: "name", Val: escaped(req.NewName)}})
		return nil, nil
	})
	return &methods.Rename_TaskBody{Res: &types.Rename_TaskResponse{Returnval: ref}}
}

// MarkAsTemplate tells others about the change, which the simulator keeps for itself.
func (m *machines) MarkAsTemplate(ctx *simulator.Context, req *types.MarkAsTemplate) soap.HasFault {
	vm := machine(ctx, req.This)
	defer ctx.Map.AcquireLock(ctx, vm)()
	defer m.feed.note(vm.Self, false)
	return vm.MarkAsTemplate(req)
}

// MarkAsVirtualMachine tells others about the change, which the simulator keeps for itself.
func (m *machines) MarkAsVirtualMachine(ctx *simulator.Context, req *types.MarkAsVirtualMachine) soap.HasFault {
	vm := machine(ctx, req.This)
	defer ctx.Map.AcquireLock(ctx, vm)()
	defer m.feed.note(vm.Self, false)
	return vm.MarkAsVirtualMachine(req)
}

// ShutdownGuest needs running tools, and a guest that listens.
func (m *machines) ShutdownGuest(ctx *simulator.Context, req *types.ShutdownGuest) soap.HasFault {
	vm := machine(ctx, req.This)
	defer ctx.Map.AcquireLock(ctx, vm)()
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
		if !toolsRun(&vm.VirtualMachine) {
			return &methods.ShutdownGuestBody{Fault_: simulator.Fault(
				"Cannot complete operation because VMware Tools is not running in this virtual machine.",
				new(types.ToolsUnavailable),
			)}
		}
		if option(&vm.VirtualMachine, ignoreShutdownKey) != "" {
			return &methods.ShutdownGuestBody{Res: new(types.ShutdownGuestResponse)}
		}
	}
	return vm.ShutdownGuest(ctx, req)
}

// ReconfigVMTask refuses what the hardware of a running machine does not allow.
func (m *machines) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) soap.HasFault {
	vm := machine(ctx, req.This)
	ref := m.task(ctx, vm, "reconfigure", "ReconfigVM_Task", func() (types.AnyType, types.BaseMethodFault) {
		return nil, m.reconfigure(ctx, vm, &req.Spec)
	})
	return &methods.ReconfigVM_TaskBody{Res: &types.ReconfigVM_TaskResponse{Returnval: ref}}
}

// reconfigure applies a specification; the caller holds the machine's lock.
func (m *machines) reconfigure(
	ctx *simulator.Context, vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec,
) types.BaseMethodFault {
	if spec.ChangeVersion != "" && spec.ChangeVersion != vm.Config.ChangeVersion {
		return new(types.ConcurrentAccess)
	}
	if fault := hotPlug(vm, spec); fault != nil {
		return fault
	}
	folder, ok := ctx.Map.Get(*vm.Parent).(*simulator.Folder)
	if ok && spec.Name != "" {
		if fault := taken(ctx, folder, spec.Name, vm.Self); fault != nil {
			return fault
		}
	}
	if fault := completeEdits(spec.DeviceChange, object.VirtualDeviceList(vm.Config.Hardware.Device)); fault != nil {
		return fault
	}
	if fault := checkDevices(ctx, vm, spec.DeviceChange); fault != nil {
		return fault
	}
	if spec.InstanceUuid != "" {
		spec.InstanceUuid = m.claim(vm.Self, spec.InstanceUuid)
	}
	m.nameNICs(spec.DeviceChange, vm.Config.Hardware.Device)
	if upgrade := spec.ScheduledHardwareUpgradeInfo; upgrade != nil {
		ctx.Update(vm, []types.PropertyChange{{Name: "config.scheduledHardwareUpgradeInfo", Val: upgrade}})
	}
	res := vm.ReconfigVMTask(ctx, &types.ReconfigVM_Task{This: vm.Self, Spec: *spec})
	_, fault := m.feed.await(ctx, res.(*methods.ReconfigVM_TaskBody).Res.Returnval)
	vm.Summary.Config.Annotation = vm.Config.Annotation
	if fault == nil {
		m.policies.configure(vm.Self, spec)
		m.settleDisks(ctx, spec.DeviceChange)
	}
	return fault
}

// hotPlug is the fault for a change of hardware that a machine which is not off cannot take.
func hotPlug(vm *simulator.VirtualMachine, spec *types.VirtualMachineConfigSpec) types.BaseMethodFault {
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
		return nil
	}
	on := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	is := func(flag *bool) bool { return on && flag != nil && *flag }
	hardware := vm.Config.Hardware
	offOnly := &types.InvalidPowerState{
		RequestedState: types.VirtualMachinePowerStatePoweredOff, ExistingState: vm.Runtime.PowerState,
	}
	choose := func(precise types.BaseMethodFault) types.BaseMethodFault {
		if hotPlugNotSupported.Load() {
			return precise
		}
		return offOnly
	}
	if n := spec.NumCPUs; n > hardware.NumCPU && !is(vm.Config.CpuHotAddEnabled) ||
		n != 0 && n < hardware.NumCPU && !is(vm.Config.CpuHotRemoveEnabled) {
		return choose(new(types.CpuHotPlugNotSupported))
	}
	if n := spec.MemoryMB; n > int64(hardware.MemoryMB) && !is(vm.Config.MemoryHotAddEnabled) ||
		n != 0 && n < int64(hardware.MemoryMB) {
		return choose(new(types.MemoryHotPlugNotSupported))
	}
	differs := func(wanted, found *bool) bool { return wanted != nil && (found == nil || *wanted != *found) }
	if differs(spec.CpuHotAddEnabled, vm.Config.CpuHotAddEnabled) ||
		differs(spec.CpuHotRemoveEnabled, vm.Config.CpuHotRemoveEnabled) ||
		differs(spec.MemoryHotAddEnabled, vm.Config.MemoryHotAddEnabled) ||
		spec.GuestId != "" && spec.GuestId != vm.Config.GuestId ||
		spec.Firmware != "" && spec.Firmware != vm.Config.Firmware {
		return offOnly
	}
	if otherAddress(vm, spec.DeviceChange) {
		return offOnly
	}
	if n := spec.NumCoresPerSocket; n != nil && hardware.NumCoresPerSocket != nil && *n != *hardware.NumCoresPerSocket {
		return offOnly
	}
	return nil
}

// otherAddress tells whether a card that is there gets another MAC address, which a running machine cannot take.
func otherAddress(vm *simulator.VirtualMachine, changes []types.BaseVirtualDeviceConfigSpec) bool {
	devices := object.VirtualDeviceList(vm.Config.Hardware.Device)
	for _, item := range changes {
		change := item.GetVirtualDeviceConfigSpec()
		wanted, ok := change.Device.(types.BaseVirtualEthernetCard)
		if !ok || change.Operation != types.VirtualDeviceConfigSpecOperationEdit {
			continue
		}
		found, ok := devices.FindByKey(change.Device.GetVirtualDevice().Key).(types.BaseVirtualEthernetCard)
		if address := wanted.GetVirtualEthernetCard().MacAddress; ok && address != "" &&
			!strings.EqualFold(address, found.GetVirtualEthernetCard().MacAddress) {
			return true
		}
	}
	return false
}
