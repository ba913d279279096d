package main

import (
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// authority answers questions about privileges for the AuthorizationManager, which says yes to everybody.
type authority struct {
	resident
	unlocked
	accounts *accounts
}

func (a *authority) answers(
	ctx *simulator.Context, user string, entities []types.ManagedObjectReference, ids []string,
) []types.EntityPrivilege {
	var result []types.EntityPrivilege
	for _, entity := range entities {
		answer := types.EntityPrivilege{Entity: entity}
		for _, id := range ids {
			answer.PrivAvailability = append(answer.PrivAvailability, types.PrivilegeAvailability{
				PrivId: id, IsGranted: a.accounts.may(ctx.Map, user, entity, id),
			})
		}
		result = append(result, answer)
	}
	return result
}

// HasPrivilegeOnEntities answers for the user of a session.
func (a *authority) HasPrivilegeOnEntities(ctx *simulator.Context, req *types.HasPrivilegeOnEntities) soap.HasFault {
	return &methods.HasPrivilegeOnEntitiesBody{Res: &types.HasPrivilegeOnEntitiesResponse{
		Returnval: a.answers(ctx, sessionUser(ctx, req.SessionId), req.Entity, req.PrivId),
	}}
}

// HasPrivilegeOnEntity answers for the user of a session.
func (a *authority) HasPrivilegeOnEntity(ctx *simulator.Context, req *types.HasPrivilegeOnEntity) soap.HasFault {
	user := sessionUser(ctx, req.SessionId)
	granted := make([]bool, len(req.PrivId))
	for i, id := range req.PrivId {
		granted[i] = a.accounts.may(ctx.Map, user, req.Entity, id)
	}
	return &methods.HasPrivilegeOnEntityBody{Res: &types.HasPrivilegeOnEntityResponse{Returnval: granted}}
}

// HasUserPrivilegeOnEntities answers for a user by name.
func (a *authority) HasUserPrivilegeOnEntities(
	ctx *simulator.Context, req *types.HasUserPrivilegeOnEntities,
) soap.HasFault {
	return &methods.HasUserPrivilegeOnEntitiesBody{Res: &types.HasUserPrivilegeOnEntitiesResponse{
		Returnval: a.answers(ctx, req.UserName, req.Entities, req.PrivId),
	}}
}

// FetchUserPrivilegeOnEntities lists what a user by name holds.
func (a *authority) FetchUserPrivilegeOnEntities(
	ctx *simulator.Context, req *types.FetchUserPrivilegeOnEntities,
) soap.HasFault {
	manager := ctx.Map.Get(req.This).(*simulator.AuthorizationManager)
	var result []types.UserPrivilegeResult
	for _, entity := range req.Entities {
		var held []string
		for _, role := range manager.RoleList {
			if role.Name != "Admin" {
				continue
			}
			for _, id := range role.Privilege {
				if a.accounts.may(ctx.Map, req.UserName, entity, id) {
					held = append(held, id)
				}
			}
		}
		result = append(result, types.UserPrivilegeResult{Entity: entity, Privileges: held})
	}
	return &methods.FetchUserPrivilegeOnEntitiesBody{Res: &types.FetchUserPrivilegeOnEntitiesResponse{
		Returnval: result,
	}}
}

// sessionUser is the user of the session with this key, by default of the caller's.
func sessionUser(ctx *simulator.Context, key string) string {
	manager, ok := ctx.Session.Get(*serviceContent(ctx).SessionManager).(*simulator.SessionManager)
	if ok && key != ctx.Session.Key {
		for _, session := range manager.SessionList {
			if session.Key == key {
				return session.UserName
			}
		}
	}
	return ctx.Session.UserName
}

func serviceContent(ctx *simulator.Context) types.ServiceContent {
	return ctx.Map.Get(serviceInstance).(*simulator.ServiceInstance).Content
}
