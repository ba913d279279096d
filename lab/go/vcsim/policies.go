package main

import (
	"fmt"
	"strings"
	"sync"

	"github.com/vmware/govmomi/pbm/methods"
	pbmsim "github.com/vmware/govmomi/pbm/simulator"
	pbmtypes "github.com/vmware/govmomi/pbm/types"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// Storage policies of a small company, besides those that every vCenter has.
var policyNames = []string{"gold", "silver"}

const viewPolicies = "StorageProfile.View"

var profileManager = types.ManagedObjectReference{Type: "PbmProfileProfileManager", Value: "ProfileManager"}

// policies is the simulator's ProfileManager, which knows no machines and lets everybody look.
type policies struct {
	*pbmsim.ProfileManager
	accounts     *accounts
	registry     *simulator.Registry
	associations *associations
}

// servePolicies puts it in the place of the simulator's. The service has to be without a listener still.
func servePolicies(accounts *accounts, registry *simulator.Registry, associations *associations) {
	simulator.RegisterEndpoint(func(service *simulator.Service, _ *simulator.Registry) {
		served := pbmsim.New()
		manager := served.Get(profileManager).(*pbmsim.ProfileManager)
		for _, name := range policyNames {
			addPolicy(manager, name)
		}
		served.Put(&policies{manager, accounts, registry, associations})
		service.RegisterSDK(served)
	})
}

func addPolicy(manager *pbmsim.ProfileManager, name string) {
	nobody := &simulator.Context{Session: &simulator.Session{}}
	manager.PbmCreate(nobody, &pbmtypes.PbmCreate{CreateSpec: pbmtypes.PbmCapabilityProfileCreateSpec{
		Name:         name,
		Category:     string(pbmtypes.PbmProfileCategoryEnumREQUIREMENT),
		ResourceType: pbmtypes.PbmProfileResourceType{ResourceType: string(pbmtypes.PbmProfileResourceTypeEnumSTORAGE)},
		Constraints:  &pbmtypes.PbmCapabilitySubProfileConstraints{},
	}})
}

func (p *policies) refusal(ctx *simulator.Context) *soap.Fault {
	top := p.registry.Get(serviceInstance).(*simulator.ServiceInstance).Content.RootFolder
	if p.accounts.may(p.registry, ctx.Session.UserName, top, viewPolicies) {
		return nil
	}
	return simulator.Fault("", &types.NoPermission{Object: &top, PrivilegeId: viewPolicies})
}

// PbmQueryProfile lists ids.
func (p *policies) PbmQueryProfile(ctx *simulator.Context, req *pbmtypes.PbmQueryProfile) soap.HasFault {
	if fault := p.refusal(ctx); fault != nil {
		return &methods.PbmQueryProfileBody{Fault_: fault}
	}
	return p.ProfileManager.PbmQueryProfile(req)
}

// PbmRetrieveContent describes policies by id.
func (p *policies) PbmRetrieveContent(ctx *simulator.Context, req *pbmtypes.PbmRetrieveContent) soap.HasFault {
	if fault := p.refusal(ctx); fault != nil {
		return &methods.PbmRetrieveContentBody{Fault_: fault}
	}
	return p.ProfileManager.PbmRetrieveContent(req)
}

// PbmQueryAssociatedProfiles tells the policies of machines and disks; a machine that is gone has a fault of its own.
func (p *policies) PbmQueryAssociatedProfiles(
	ctx *simulator.Context, req *pbmtypes.PbmQueryAssociatedProfiles,
) soap.HasFault {
	if fault := p.refusal(ctx); fault != nil {
		return &methods.PbmQueryAssociatedProfilesBody{Fault_: fault}
	}
	var found []pbmtypes.PbmQueryProfileResult
	for _, entity := range req.Entities {
		answer := pbmtypes.PbmQueryProfileResult{Object: entity}
		machine, _, _ := strings.Cut(entity.Key, ":")
		apart := entity.ObjectType == "virtualDiskUUID"
		if !apart && p.registry.Get(types.ManagedObjectReference{Type: "VirtualMachine", Value: machine}) == nil {
			answer.Fault = &types.LocalizedMethodFault{
				Fault: &types.InvalidArgument{InvalidProperty: "entities"}, LocalizedMessage: "no such machine",
			}
		} else if policy := p.associations.of(entity.Key); policy != "" {
			answer.ProfileId = []pbmtypes.PbmProfileId{{UniqueId: policy}}
		}
		found = append(found, answer)
	}
	return &methods.PbmQueryAssociatedProfilesBody{
		Res: &pbmtypes.PbmQueryAssociatedProfilesResponse{Returnval: found},
	}
}

// associations are the policies of machines' homes, by the machine's id, and of disks, by that and the disk's key.
type associations struct {
	mu sync.Mutex
	by map[string]string
}

func newAssociations() *associations {
	return &associations{by: make(map[string]string)}
}

func (a *associations) of(key string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.by[key]
}

// set takes over what a call says; without a policy all stays as it is.
func (a *associations) set(key string, profiles []types.BaseVirtualMachineProfileSpec) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, profile := range profiles {
		if defined, ok := profile.(*types.VirtualMachineDefinedProfileSpec); ok {
			a.by[key] = defined.ProfileId
		}
	}
}

// place takes over the policies of a clone or a move.
func (a *associations) place(vm types.ManagedObjectReference, spec *types.VirtualMachineRelocateSpec) {
	a.set(vm.Value, spec.Profile)
	for _, disk := range spec.Disk {
		a.set(diskKey(vm, disk.DiskId), disk.Profile)
	}
}

// configure takes over the policies of a change.
func (a *associations) configure(vm types.ManagedObjectReference, spec *types.VirtualMachineConfigSpec) {
	a.set(vm.Value, spec.VmProfile)
	for _, item := range spec.DeviceChange {
		change := item.GetVirtualDeviceConfigSpec()
		key := diskKey(vm, change.Device.GetVirtualDevice().Key)
		if change.Operation == types.VirtualDeviceConfigSpecOperationRemove {
			a.drop(key)
			continue
		}
		a.set(key, change.Profile)
	}
}

func (a *associations) drop(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.by, key)
}

func (a *associations) forget(vm types.ManagedObjectReference) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for key := range a.by {
		if machine, _, _ := strings.Cut(key, ":"); machine == vm.Value {
			delete(a.by, key)
		}
	}
}

func diskKey(vm types.ManagedObjectReference, disk int32) string {
	return fmt.Sprintf("%s:%d", vm.Value, disk)
}
