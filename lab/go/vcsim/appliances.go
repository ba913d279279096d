package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// deployment is the answer to a request to deploy.
type deployment struct {
	Succeeded bool              `json:"succeeded"`
	Resource  *deployedResource `json:"resource_id,omitempty"`
	Error     *deploymentErrors `json:"error,omitempty"`
}

type deployedResource struct {
	Type string `json:"type"`
	ID   string `json:"id"`
}

type deploymentErrors struct {
	Errors []deploymentError `json:"errors"`
}

type deploymentError struct {
	Category string      `json:"category"`
	Message  localizable `json:"message"`
}

type deployRequest struct {
	Spec struct {
		Name         string `json:"name"`
		Annotation   string `json:"annotation"`
		AcceptEULA   bool   `json:"accept_all_EULA"`
		Provisioning string `json:"storage_provisioning"`
		Datastore    string `json:"default_datastore_id"`
	} `json:"deployment_spec"`
	Target struct {
		Pool   string `json:"resource_pool_id"`
		Host   string `json:"host_id"`
		Folder string `json:"folder_id"`
	} `json:"target"`
}

// deploy makes a machine of an item, or a vApp where there are several in it, as long as a task takes. The answer comes when it is made, as on a vCenter.
func (l *libraries) deploy(who caller, r *http.Request) (any, error) {
	var wanted deployRequest
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	target := wanted.Target
	pool := types.ManagedObjectReference{Type: "ResourcePool", Value: target.Pool}
	folder := types.ManagedObjectReference{Type: "Folder", Value: target.Folder}
	store := types.ManagedObjectReference{Type: "Datastore", Value: wanted.Spec.Datastore}
	for _, ref := range []types.ManagedObjectReference{pool, folder, store} {
		if l.registry.Get(ref) == nil {
			return nil, notFound("there is no " + ref.Type + " " + ref.Value)
		}
	}
	if err := who.need("VApp.Import", pool, folder); err != nil {
		return nil, err
	}
	token := r.Header.Get("Client-Token")
	appliance, done, err := l.use(r.PathValue("id"), token)
	if err != nil || done != nil {
		return done, err
	}
	defer l.release(r.PathValue("id"))
	time.Sleep(taskDelay())
	made, fault := l.build(who.user, appliance, wanted, folder, pool)
	if fault != nil {
		message := worded(faultText(fault))
		return deployment{Error: &deploymentErrors{[]deploymentError{{"SERVER", message}}}}, nil
	}
	result := deployment{Succeeded: true, Resource: &deployedResource{made.Type, made.Value}}
	l.mu.Lock()
	defer l.mu.Unlock()
	if token != "" {
		l.deployed[token] = result
	}
	return result, nil
}

// use holds an item while it is deployed; or it is the answer to the same request before.
func (l *libraries) use(id, token string) (*ovf.Envelope, any, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if before, ok := l.deployed[token]; ok && token != "" {
		return nil, before, nil
	}
	found, err := l.item(id)
	if err != nil {
		return nil, nil, err
	}
	if found.appliance == nil {
		return nil, nil, invalid("the item has no content")
	}
	found.users++
	return found.appliance, nil, nil
}

func (l *libraries) release(id string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found := l.items[id]; found != nil {
		found.users--
	}
}

func (l *libraries) build(
	user string, appliance *ovf.Envelope, wanted deployRequest, folder, pool types.ManagedObjectReference,
) (types.ManagedObjectReference, types.BaseMethodFault) {
	session := &simulator.Session{UserSession: types.UserSession{UserName: user}, Registry: simulator.NewRegistry()}
	ctx := &simulator.Context{Context: context.Background(), Session: session, Map: l.registry}
	place, ok := l.registry.Get(folder).(*simulator.Folder)
	if !ok {
		return types.ManagedObjectReference{}, missing(folder)
	}
	if appliance.VirtualSystemCollection != nil {
		return l.vapps.create(ctx, place, pool, wanted.Spec.Name, wanted.Spec.Annotation)
	}
	config, err := appliance.ToConfigSpec()
	if err != nil {
		return types.ManagedObjectReference{}, &types.SystemError{Reason: err.Error()}
	}
	store := l.registry.Get(types.ManagedObjectReference{Type: "Datastore", Value: wanted.Spec.Datastore})
	config.Name, config.Annotation = wanted.Spec.Name, wanted.Spec.Annotation
	config.Files = &types.VirtualMachineFileInfo{
		VmPathName: fmt.Sprintf("[%s] %s", store.(*simulator.Datastore).Name, wanted.Spec.Name),
	}
	for _, one := range config.DeviceChange {
		l.furnishDevice(one.GetVirtualDeviceConfigSpec())
	}
	var host *types.ManagedObjectReference
	if wanted.Target.Host != "" {
		host = &types.ManagedObjectReference{Type: "HostSystem", Value: wanted.Target.Host}
	} else {
		host = l.machines.place(ctx, pool)
	}
	vm, fault := l.machines.create(ctx, place, config, pool, host)
	if fault != nil {
		return types.ManagedObjectReference{}, fault
	}
	return vm.Self, nil
}

// furnishDevice gives a device what the descriptor leaves to the vCenter: the file of a disk, the network of a card.
func (l *libraries) furnishDevice(change *types.VirtualDeviceConfigSpec) {
	switch device := change.Device.(type) {
	case *types.VirtualDisk:
		change.FileOperation = types.VirtualDeviceConfigSpecFileOperationCreate
		device.Backing = &types.VirtualDiskFlatVer2BackingInfo{
			DiskMode: string(types.VirtualDiskModePersistent), ThinProvisioned: types.NewBool(true),
		}
	case types.BaseVirtualEthernetCard:
		network := l.registry.Any("Network")
		if network == nil {
			return
		}
		ref := network.Reference()
		device.GetVirtualEthernetCard().Backing = &types.VirtualEthernetCardNetworkBackingInfo{
			VirtualDeviceDeviceBackingInfo: types.VirtualDeviceDeviceBackingInfo{DeviceName: "VM Network"},
			Network:                        &ref,
		}
	}
}
