package main

import (
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/types"
)

const (
	// A machine with this extraConfig key has no VMware Tools.
	noToolsKey = "lab.noTools"
	// The guest of a machine with this extraConfig key does not heed ShutdownGuest.
	ignoreShutdownKey = "lab.ignoreShutdown"
)

// guests plays the guests' side: tools that run while a machine is on, and the addresses they report.
type guests struct {
	resident
	bootDelay atomic.Int64 // nanoseconds

	mu     sync.Mutex
	leases map[string]string // addresses by MAC
}

func newGuests(bootDelay time.Duration) *guests {
	g := &guests{resident: newResident("guests"), leases: make(map[string]string)}
	g.bootDelay.Store(int64(bootDelay))
	return g
}

// PutObject does nothing.
func (g *guests) PutObject(*simulator.Context, mo.Reference) {}

// RemoveObject does nothing.
func (g *guests) RemoveObject(*simulator.Context, types.ManagedObjectReference) {}

// UpdateObject follows power and network cards. Its caller holds the machine's lock, so nobody reads a machine between
// the change and what follows from it.
func (g *guests) UpdateObject(ctx *simulator.Context, o mo.Reference, changes []types.PropertyChange) {
	vm, ok := o.(*mo.VirtualMachine)
	if !ok || vm.Guest == nil || vm.Config == nil {
		return
	}
	for _, change := range changes {
		switch change.Name {
		case "runtime.powerState":
			g.power(ctx, vm)
			return
		case "config.hardware.device":
			g.report(ctx, vm, toolsRun(vm))
		}
	}
}

func (g *guests) power(ctx *simulator.Context, vm *mo.VirtualMachine) {
	on := vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOn
	vm.Runtime.BootTime, vm.Summary.Runtime.BootTime = nil, nil
	if upgrade := vm.Config.ScheduledHardwareUpgradeInfo; on && upgrade != nil && upgrade.UpgradePolicy == "always" {
		vm.Config.Version, vm.Summary.Config.HwVersion = upgrade.VersionKey, upgrade.VersionKey
		vm.Config.ScheduledHardwareUpgradeInfo = nil
	}
	if on {
		vm.Runtime.BootTime = types.NewTime(time.Now())
		vm.Summary.Runtime.BootTime = vm.Runtime.BootTime
	}
	boots := on && option(vm, noToolsKey) == ""
	delay := time.Duration(g.bootDelay.Load())
	g.report(ctx, vm, boots && delay == 0)
	if boots && delay > 0 {
		boot, registry := vm.Runtime.BootTime, ctx.Map
		time.AfterFunc(delay, func() { g.booted(registry, vm.Self, boot) })
	}
}

// booted lets the tools of a machine run, unless it was switched off meanwhile.
func (g *guests) booted(registry *simulator.Registry, ref types.ManagedObjectReference, boot *time.Time) {
	ctx := &simulator.Context{Map: registry}
	vm := machine(ctx, ref)
	if vm == nil {
		return
	}
	ctx.WithLock(vm, func() {
		if vm.Runtime.BootTime == boot {
			g.report(ctx, &vm.VirtualMachine, true)
			ctx.Update(vm, []types.PropertyChange{{Name: "guest.guestState", Val: vm.Guest.GuestState}})
		}
	})
}

// installTools says that a machine which is off has tools.
func installTools(vm *simulator.VirtualMachine) {
	if vm.Runtime.PowerState == types.VirtualMachinePowerStatePoweredOff {
		setTools(&vm.VirtualMachine, false)
	}
}

func setTools(vm *mo.VirtualMachine, running bool) {
	guest := vm.Guest
	guest.GuestState = string(types.VirtualMachineGuestStateNotRunning)
	guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsNotRunning)
	guest.ToolsStatus = types.VirtualMachineToolsStatusToolsNotRunning
	guest.ToolsVersionStatus = string(types.VirtualMachineToolsVersionStatusGuestToolsUnmanaged)
	guest.ToolsVersion = "12389"
	heartbeat := types.ManagedEntityStatusGray
	if option(vm, noToolsKey) != "" {
		guest.ToolsStatus = types.VirtualMachineToolsStatusToolsNotInstalled
		guest.ToolsVersionStatus = string(types.VirtualMachineToolsVersionStatusGuestToolsNotInstalled)
		guest.ToolsVersion = "0"
	}
	guest.GuestId, guest.GuestFullName = "", ""
	if running {
		guest.GuestState = string(types.VirtualMachineGuestStateRunning)
		guest.ToolsRunningStatus = string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
		guest.ToolsStatus = types.VirtualMachineToolsStatusToolsOk
		guest.GuestId, guest.GuestFullName = vm.Config.GuestId, vm.Config.GuestFullName
		heartbeat = types.ManagedEntityStatusGreen
	}
	guest.ToolsVersionStatus2 = guest.ToolsVersionStatus
	guest.GuestOperationsReady = types.NewBool(running)
	vm.GuestHeartbeatStatus = heartbeat
	vm.Summary.QuickStats.GuestHeartbeatStatus = heartbeat
	summarize(vm)
}

func (g *guests) report(ctx *simulator.Context, vm *mo.VirtualMachine, running bool) {
	guest := vm.Guest
	guest.HostName, guest.IpAddress = "", ""
	if running {
		guest.HostName = vm.Config.Name
	}
	cards := make([]types.GuestNicInfo, len(guest.Net))
	for i, card := range guest.Net {
		card.Connected, card.IpAddress, card.IpConfig = running, nil, nil
		if card.Network == "" {
			card.Network = networkName(ctx, vm, card.DeviceConfigId)
		}
		if running {
			addresses := g.addresses(card.MacAddress)
			card.IpAddress = []string{addresses[0].IpAddress, addresses[1].IpAddress}
			card.IpConfig = &types.NetIpConfigInfo{IpAddress: addresses}
			if guest.IpAddress == "" {
				guest.IpAddress = addresses[0].IpAddress
			}
		}
		cards[i] = card
	}
	guest.Net = cards
	setTools(vm, running)
}

func summarize(vm *mo.VirtualMachine) {
	summary := vm.Summary.Guest
	if summary == nil {
		return
	}
	guest := vm.Guest
	summary.GuestId, summary.GuestFullName = guest.GuestId, guest.GuestFullName
	summary.HostName, summary.IpAddress = guest.HostName, guest.IpAddress
	summary.ToolsStatus = guest.ToolsStatus
	summary.ToolsRunningStatus = guest.ToolsRunningStatus
	summary.ToolsVersionStatus = guest.ToolsVersionStatus
	summary.ToolsVersionStatus2 = guest.ToolsVersionStatus2
}

// addresses are what a card reports: a lease that it keeps, and the IPv6 link-local address made of its MAC.
func (g *guests) addresses(mac string) []types.NetIpConfigInfoIpAddress {
	g.mu.Lock()
	defer g.mu.Unlock()
	lease := g.leases[mac]
	if lease == "" {
		n := len(g.leases) + 10
		lease = fmt.Sprintf("10.20.%d.%d", n/250%250, n%250+1)
		g.leases[mac] = lease
	}
	local := net.IP{0xfe, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xfe, 0, 0, 0}
	if hardware, err := net.ParseMAC(mac); err == nil && len(hardware) == 6 {
		copy(local[8:11], hardware[:3])
		local[8] ^= 2
		copy(local[13:], hardware[3:])
	}
	state := string(types.NetIpConfigInfoIpAddressStatusPreferred)
	return []types.NetIpConfigInfoIpAddress{
		{IpAddress: lease, PrefixLength: 16, State: state},
		{IpAddress: local.String(), PrefixLength: 64, State: state},
	}
}

func networkName(ctx *simulator.Context, vm *mo.VirtualMachine, key int32) string {
	for _, device := range vm.Config.Hardware.Device {
		card, ok := device.(types.BaseVirtualEthernetCard)
		if !ok || card.GetVirtualEthernetCard().Key != key {
			continue
		}
		backing, ok := card.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardDistributedVirtualPortBackingInfo)
		if !ok {
			continue
		}
		ref := types.ManagedObjectReference{Type: "DistributedVirtualPortgroup", Value: backing.Port.PortgroupKey}
		if group, ok := ctx.Map.Get(ref).(*simulator.DistributedVirtualPortgroup); ok {
			return group.Name
		}
	}
	return ""
}

func toolsRun(vm *mo.VirtualMachine) bool {
	return vm.Guest.ToolsRunningStatus == string(types.VirtualMachineToolsRunningStatusGuestToolsRunning)
}

// option is an extraConfig value, empty when there is none.
func option(vm *mo.VirtualMachine, key string) string {
	for _, item := range vm.Config.ExtraConfig {
		if o := item.GetOptionValue(); o != nil && o.Key == key {
			return fmt.Sprint(o.Value)
		}
	}
	return ""
}
