package main

import (
	"slices"
	"strconv"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/mo"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// networks takes the calls about port groups: the simulator forgets what a change does not name, lets port groups go
// that machines use, and has a standard one on one host only.
type networks struct {
	resident
	unlocked
	feed *feed

	mu sync.Mutex
}

func newNetworks(feed *feed) *networks {
	return &networks{resident: newResident("networks"), feed: feed}
}

// CreateDVPortgroupTask makes one port group, and tells which.
func (n *networks) CreateDVPortgroupTask(ctx *simulator.Context, req *types.CreateDVPortgroup_Task) soap.HasFault {
	dvs := ctx.Map.Get(req.This).(*simulator.DistributedVirtualSwitch)
	task := simulator.CreateTask(dvs, "createDVPortgroup", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
		n.mu.Lock()
		defer n.mu.Unlock()
		spec := req.Spec
		if spec.Name == "" {
			return nil, &types.InvalidArgument{InvalidProperty: "spec.name"}
		}
		if fault := vlanFault(spec.DefaultPortConfig); fault != nil {
			return nil, fault
		}
		spec.ConfigVersion = "0"
		given := &types.AddDVPortgroup_Task{This: req.This, Spec: []types.DVPortgroupConfigSpec{spec}}
		res := dvs.AddDVPortgroupTask(ctx, given)
		if _, fault := n.feed.await(ctx, res.(*methods.AddDVPortgroup_TaskBody).Res.Returnval); fault != nil {
			return nil, fault
		}
		return dvs.Portgroup[len(dvs.Portgroup)-1], nil
	})
	task.Info.Name = "CreateDVPortgroup_Task"
	return &methods.CreateDVPortgroup_TaskBody{Res: &types.CreateDVPortgroup_TaskResponse{Returnval: task.Run(ctx)}}
}

// vlanFault refuses what is no VLAN.
func vlanFault(setting types.BaseDVPortSetting) types.BaseMethodFault {
	wanted, ok := setting.(*types.VMwareDVSPortSetting)
	if !ok || wanted == nil {
		return nil
	}
	if one, ok := wanted.Vlan.(*types.VmwareDistributedVirtualSwitchVlanIdSpec); ok && (one.VlanId < 0 || one.VlanId > 4094) {
		return &types.InvalidArgument{InvalidProperty: "vlanId"}
	}
	return nil
}

// ReconfigureDVPortgroupTask changes what is named and leaves the rest.
func (n *networks) ReconfigureDVPortgroupTask(
	ctx *simulator.Context, req *types.ReconfigureDVPortgroup_Task,
) soap.HasFault {
	group := ctx.Map.Get(req.This).(*simulator.DistributedVirtualPortgroup)
	task := simulator.CreateTask(
		group, "reconfigureDvPortgroup", func(*simulator.Task) (types.AnyType, types.BaseMethodFault) {
			n.mu.Lock()
			defer n.mu.Unlock()
			return nil, n.reconfigure(ctx, group, &req.Spec)
		})
	task.Info.Name = "ReconfigureDVPortgroup_Task"
	return &methods.ReconfigureDVPortgroup_TaskBody{
		Res: &types.ReconfigureDVPortgroup_TaskResponse{Returnval: task.Run(ctx)},
	}
}

func (n *networks) reconfigure(
	ctx *simulator.Context, group *simulator.DistributedVirtualPortgroup, spec *types.DVPortgroupConfigSpec,
) types.BaseMethodFault {
	config := group.Config
	if spec.ConfigVersion == "" {
		return &types.InvalidArgument{InvalidProperty: "spec.configVersion"}
	}
	if spec.ConfigVersion != config.ConfigVersion {
		return new(types.ConcurrentAccess)
	}
	if fault := vlanFault(spec.DefaultPortConfig); fault != nil {
		return fault
	}
	name := group.Name
	if spec.Name != "" && spec.Name != name {
		folder, ok := ctx.Map.Get(*group.Parent).(*simulator.Folder)
		if ok {
			if fault := taken(ctx, folder, spec.Name, group.Self); fault != nil {
				return fault
			}
		}
		name = spec.Name
	}
	if spec.Description != "" {
		config.Description = spec.Description
	}
	if wanted, ok := spec.DefaultPortConfig.(*types.VMwareDVSPortSetting); ok && wanted.Vlan != nil {
		setting := types.VMwareDVSPortSetting{}
		if before, ok := config.DefaultPortConfig.(*types.VMwareDVSPortSetting); ok {
			setting = *before
		}
		setting.Vlan = wanted.Vlan
		config.DefaultPortConfig = &setting
	}
	version, _ := strconv.Atoi(config.ConfigVersion)
	config.ConfigVersion, config.Name = strconv.Itoa(version+1), name
	ctx.Update(group, []types.PropertyChange{{Name: "config", Val: config}, {Name: "name", Val: name}})
	return nil
}

// prepareDestroy is the fault for the deletion of a port group that machines use; else hosts forget it.
func (n *networks) prepareDestroy(ctx *simulator.Context, ref types.ManagedObjectReference) types.BaseMethodFault {
	group, ok := ctx.Map.Get(ref).(*simulator.DistributedVirtualPortgroup)
	if !ok {
		return nil
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if user := userOf(ctx, ref, "", nil); user != "" {
		return &types.ResourceInUse{Type: ref.Type, Name: group.Name}
	}
	for _, one := range group.Host {
		host, ok := ctx.Map.Get(one).(*simulator.HostSystem)
		if !ok {
			continue
		}
		n.unlink(ctx, host, ref)
	}
	return nil
}

// unlink takes a network off a host and off what the host is of.
func (n *networks) unlink(ctx *simulator.Context, host *simulator.HostSystem, ref types.ManagedObjectReference) {
	ctx.WithLock(host, func() { ctx.Map.RemoveReference(ctx, host, &host.Network, ref) })
	if compute := computeOf(ctx, host); compute != nil {
		ctx.WithLock(compute, func() { ctx.Map.RemoveReference(ctx, compute, &compute.Network, ref) })
	}
}

func computeOf(ctx *simulator.Context, host *simulator.HostSystem) *mo.ComputeResource {
	switch parent := ctx.Map.Get(*host.Parent).(type) {
	case *mo.ComputeResource:
		return parent
	case *simulator.ClusterComputeResource:
		return &parent.ComputeResource
	}
	return nil
}

// userOf names a machine with a card on a network, by reference or by the name of a standard one; host, if any, is where.
func userOf(
	ctx *simulator.Context, ref types.ManagedObjectReference, name string, host *types.ManagedObjectReference,
) string {
	for _, entity := range ctx.Map.All("VirtualMachine") {
		vm, ok := entity.(*simulator.VirtualMachine)
		if !ok || vm.Config == nil || host != nil && (vm.Runtime.Host == nil || *vm.Runtime.Host != *host) {
			continue
		}
		for _, device := range vm.Config.Hardware.Device {
			if network := networkOf(device); network != nil && *network == ref {
				return vm.Name
			}
			if card, ok := device.(types.BaseVirtualEthernetCard); ok && name != "" {
				backing, ok := card.GetVirtualEthernetCard().Backing.(*types.VirtualEthernetCardNetworkBackingInfo)
				if ok && backing.DeviceName == name {
					return vm.Name
				}
			}
		}
	}
	return ""
}

// hostOf is the host whose networks a HostNetworkSystem has.
func hostOf(ctx *simulator.Context, system *simulator.HostNetworkSystem) *simulator.HostSystem {
	host, _ := ctx.Map.Get(system.Host.Self).(*simulator.HostSystem)
	return host
}

func networkNamed(ctx *simulator.Context, name string) *mo.Network {
	for _, entity := range ctx.Map.All("Network") {
		if network, ok := entity.(*mo.Network); ok && network.Name == name {
			return network
		}
	}
	return nil
}

// AddPortGroup makes a port group on a standard switch of one host; the same name on several hosts is one network.
func (n *networks) AddPortGroup(ctx *simulator.Context, req *types.AddPortGroup) soap.HasFault {
	n.mu.Lock()
	defer n.mu.Unlock()
	system := ctx.Map.Get(req.This).(*simulator.HostNetworkSystem)
	host := hostOf(ctx, system)
	wanted := req.Portgrp
	refuse := func(fault types.BaseMethodFault) soap.HasFault {
		return &methods.AddPortGroupBody{Fault_: simulator.Fault("", fault)}
	}
	if wanted.VlanId < 0 || wanted.VlanId > 4095 {
		return refuse(&types.InvalidArgument{InvalidProperty: "vlanId"})
	}
	info := system.NetworkInfo
	info.Portgroup = slices.Clip(info.Portgroup)
	at := slices.IndexFunc(info.Vswitch, func(one types.HostVirtualSwitch) bool { return one.Name == wanted.VswitchName })
	if at < 0 {
		return refuse(new(types.NotFound))
	}
	for _, one := range info.Portgroup {
		if one.Spec.Name == wanted.Name {
			return refuse(&types.AlreadyExists{Name: wanted.Name})
		}
	}
	if network := networkNamed(ctx, wanted.Name); network == nil {
		if res := system.AddPortGroup(ctx, req); res.Fault() != nil {
			return res
		}
	} else {
		info.Vswitch[at].Portgroup = append(slices.Clip(info.Vswitch[at].Portgroup), wanted.Name)
		info.Portgroup = append(info.Portgroup, types.HostPortGroup{
			Key: "key-vim.host.PortGroup-" + wanted.Name, Spec: wanted,
		})
	}
	network := networkNamed(ctx, wanted.Name)
	ctx.WithLock(host, func() { ctx.Map.AppendReference(ctx, host, &host.Network, network.Self) })
	if compute := computeOf(ctx, host); compute != nil && !slices.Contains(compute.Network, network.Self) {
		ctx.WithLock(compute, func() { ctx.Map.AppendReference(ctx, compute, &compute.Network, network.Self) })
	}
	ctx.WithLock(network, func() { ctx.Map.AppendReference(ctx, network, &network.Host, host.Self) })
	n.tell(ctx, host, info)
	return &methods.AddPortGroupBody{Res: new(types.AddPortGroupResponse)}
}

// UpdatePortGroup changes the VLAN of a port group of one host.
func (n *networks) UpdatePortGroup(ctx *simulator.Context, req *types.UpdatePortGroup) soap.HasFault {
	n.mu.Lock()
	defer n.mu.Unlock()
	system := ctx.Map.Get(req.This).(*simulator.HostNetworkSystem)
	for i, one := range system.NetworkInfo.Portgroup {
		if one.Spec.Name != req.PgName {
			continue
		}
		if req.Portgrp.Name != req.PgName {
			return &methods.UpdatePortGroupBody{Fault_: simulator.Fault("", new(types.NotSupported))}
		}
		system.NetworkInfo.Portgroup = slices.Clone(system.NetworkInfo.Portgroup)
		system.NetworkInfo.Portgroup[i].Spec = req.Portgrp
		n.tell(ctx, hostOf(ctx, system), system.NetworkInfo)
		return &methods.UpdatePortGroupBody{Res: new(types.UpdatePortGroupResponse)}
	}
	return &methods.UpdatePortGroupBody{Fault_: simulator.Fault("", new(types.NotFound))}
}

// RemovePortGroup takes a port group off one host; the network goes with the last.
func (n *networks) RemovePortGroup(ctx *simulator.Context, req *types.RemovePortGroup) soap.HasFault {
	n.mu.Lock()
	defer n.mu.Unlock()
	system := ctx.Map.Get(req.This).(*simulator.HostNetworkSystem)
	host, info := hostOf(ctx, system), system.NetworkInfo
	network := networkNamed(ctx, req.PgName)
	at := slices.IndexFunc(info.Portgroup, func(one types.HostPortGroup) bool { return one.Spec.Name == req.PgName })
	if at < 0 || network == nil {
		return &methods.RemovePortGroupBody{Fault_: simulator.Fault("", new(types.NotFound))}
	}
	if user := userOf(ctx, network.Self, req.PgName, &host.Self); user != "" {
		return &methods.RemovePortGroupBody{
			Fault_: simulator.Fault("", &types.ResourceInUse{Type: "PortGroup", Name: req.PgName}),
		}
	}
	last := len(network.Host) <= 1
	n.unlink(ctx, host, network.Self)
	ctx.WithLock(network, func() { ctx.Map.RemoveReference(ctx, network, &network.Host, host.Self) })
	if last {
		if res := system.RemovePortGroup(ctx, req); res.Fault() != nil {
			return res
		}
	} else {
		info.Portgroup = slices.Delete(slices.Clone(info.Portgroup), at, at+1)
		for i := range info.Vswitch {
			info.Vswitch[i].Portgroup = slices.DeleteFunc(
				slices.Clone(info.Vswitch[i].Portgroup), func(name string) bool { return name == req.PgName })
		}
	}
	n.tell(ctx, host, info)
	return &methods.RemovePortGroupBody{Res: new(types.RemovePortGroupResponse)}
}

// tell shows a host's port groups where clients read them.
func (n *networks) tell(ctx *simulator.Context, host *simulator.HostSystem, info *types.HostNetworkInfo) {
	if host.Config == nil || host.Config.Network == nil {
		return
	}
	ctx.WithLock(host, func() {
		network := *host.Config.Network
		network.Portgroup, network.Vswitch = slices.Clone(info.Portgroup), slices.Clone(info.Vswitch)
		ctx.Update(host, []types.PropertyChange{{Name: "config.network", Val: network}})
	})
}
