package main

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/simulator/esx"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// What a large host of today has; the simulator's own have 4 GiB.
	hostThreads = 256
	hostMemory  = 24 << 40
	// How often hosts tell what is in use; a vCenter asks them every 20 seconds.
	loadInterval = 250 * time.Millisecond
)

// enlargeHosts is called before the first host is made.
func enlargeHosts() {
	hardware := esx.HostSystem.Summary.Hardware
	hardware.MemorySize, hardware.NumCpuThreads, hardware.NumCpuCores = hostMemory, hostThreads, hostThreads/2
	esx.HostSystem.Summary.QuickStats.OverallMemoryUsage = 0
}

// hostChange is what a test does to one host; what is absent stays as it is.
type hostChange struct {
	Maintenance *bool  `json:"maintenance"`
	Connected   *bool  `json:"connected"`
	Memory      *int64 `json:"memory"` // bytes
}

// load keeps the figures of hosts that change by themselves.
type load struct {
	resident
	registry *simulator.Registry
	stale    atomic.Bool
}

// follow lets hosts tell from time to time how much memory their running machines take.
func (l *load) follow() {
	for range time.Tick(loadInterval) {
		if l.stale.Swap(false) {
			l.refresh()
		}
	}
}

func (l *load) refresh() {
	ctx := &simulator.Context{Map: l.registry}
	used := make(map[types.ManagedObjectReference]int32)
	for _, entity := range l.registry.All("VirtualMachine") {
		ctx.WithLock(entity, func() {
			vm, ok := entity.(*simulator.VirtualMachine)
			if ok && vm.Runtime.Host != nil && vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn {
				used[*vm.Runtime.Host] += vm.Config.Hardware.MemoryMB
			}
		})
	}
	for _, entity := range l.registry.All("HostSystem") {
		ctx.WithLock(entity, func() {
			if host := entity.(*simulator.HostSystem); host.Summary.QuickStats.OverallMemoryUsage != used[host.Self] {
				ctx.Update(host, []types.PropertyChange{
					{Name: "summary.quickStats.overallMemoryUsage", Val: used[host.Self]},
				})
			}
		})
	}
}

// changeHost puts a host into maintenance, takes its connection away, or gives it another size of memory.
func changeHost(registry *simulator.Registry, name string, wanted hostChange) error {
	ctx := &simulator.Context{Map: registry}
	for _, entity := range registry.All("HostSystem") {
		host, ok := entity.(*simulator.HostSystem)
		if !ok || host.Name != name {
			continue
		}
		ctx.WithLock(host, func() {
			var changes []types.PropertyChange
			if wanted.Maintenance != nil {
				changes = append(changes,
					types.PropertyChange{Name: "runtime.inMaintenanceMode", Val: *wanted.Maintenance})
			}
			if wanted.Connected != nil {
				changes = append(changes,
					types.PropertyChange{Name: "runtime.connectionState", Val: connectionOf(*wanted.Connected)})
			}
			if wanted.Memory != nil {
				host.Summary.Hardware.MemorySize = *wanted.Memory
			}
			ctx.Update(host, changes)
		})
		if wanted.Connected != nil {
			connectMachines(ctx, host.Self, *wanted.Connected)
		}
		return nil
	}
	return fmt.Errorf("there is no host %s", name)
}

func connectionOf(connected bool) types.HostSystemConnectionState {
	if connected {
		return types.HostSystemConnectionStateConnected
	}
	return types.HostSystemConnectionStateNotResponding
}

// connectMachines follows a host: a vCenter knows nothing of the machines on one that does not answer.
func connectMachines(ctx *simulator.Context, host types.ManagedObjectReference, connected bool) {
	state := types.VirtualMachineConnectionStateDisconnected
	if connected {
		state = types.VirtualMachineConnectionStateConnected
	}
	for _, entity := range ctx.Map.All("VirtualMachine") {
		ctx.WithLock(entity, func() {
			vm, ok := entity.(*simulator.VirtualMachine)
			if ok && vm.Runtime.Host != nil && *vm.Runtime.Host == host {
				ctx.Update(vm, []types.PropertyChange{
					{Name: "runtime.connectionState", Val: state},
					{Name: "summary.runtime.connectionState", Val: state},
				})
			}
		})
	}
}

// usable is the fault for a host that takes no machines.
func usable(ctx *simulator.Context, ref types.ManagedObjectReference) types.BaseMethodFault {
	host, ok := ctx.Map.Get(ref).(*simulator.HostSystem)
	if !ok {
		return missing(ref)
	}
	if host.Runtime.ConnectionState != types.HostSystemConnectionStateConnected {
		return new(types.HostNotConnected)
	}
	if host.Runtime.InMaintenanceMode {
		return new(types.InvalidState)
	}
	return nil
}

// PutObject does nothing.
func (l *load) PutObject(*simulator.Context, mo.Reference) {}

// RemoveObject notes that a machine went.
func (l *load) RemoveObject(_ *simulator.Context, ref types.ManagedObjectReference) {
	if ref.Type == "VirtualMachine" {
		l.stale.Store(true)
	}
}

// UpdateObject notes that a machine's power, memory or host changed.
func (l *load) UpdateObject(_ *simulator.Context, o mo.Reference, _ []types.PropertyChange) {
	if o.Reference().Type == "VirtualMachine" {
		l.stale.Store(true)
	}
}
