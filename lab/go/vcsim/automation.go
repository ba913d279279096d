package main

import (
	"encoding/json"
	"log"
	"net/http"
	"sync"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// sessionHeader carries the session of the Automation API.
const sessionHeader = "vmware-api-session-id"

// automation is the door of the Automation API (/api): its sessions, its errors, and who may do what. The simulator has
// only its older paths (/rest), whose answers are of another shape.
type automation struct {
	accounts *accounts
	registry *simulator.Registry

	mu       sync.Mutex
	sessions map[string]string // users by token
}

// trouble is an error of the Automation API: one of com.vmware.vapi.std.errors.
type trouble struct {
	status int
	kind   string
	words  string
}

func (t *trouble) Error() string { return t.words }

func notFound(words string) error { return &trouble{http.StatusNotFound, "NOT_FOUND", words} }

func invalid(words string) error { return &trouble{http.StatusBadRequest, "INVALID_ARGUMENT", words} }

func exists(words string) error { return &trouble{http.StatusBadRequest, "ALREADY_EXISTS", words} }

func notNow(words string) error {
	return &trouble{http.StatusBadRequest, "NOT_ALLOWED_IN_CURRENT_STATE", words}
}

func busy(words string) error {
	return &trouble{http.StatusInternalServerError, "RESOURCE_BUSY", words}
}

// localizable is how the API words things for people.
type localizable struct {
	ID      string   `json:"id"`
	Default string   `json:"default_message"`
	Args    []string `json:"args"`
}

func worded(text string) localizable { return localizable{"com.vmware.lab", text, []string{}} }

// caller is whoever sent a request.
type caller struct {
	*automation
	user string
}

// need is an error where the caller lacks a privilege on an object; without one, on the top of the inventory.
func (c caller) need(privilege string, on ...types.ManagedObjectReference) error {
	if len(on) == 0 {
		on = []types.ManagedObjectReference{serviceContentOf(c.registry).RootFolder}
	}
	for _, entity := range on {
		if !c.accounts.may(c.registry, c.user, entity, privilege) {
			return &trouble{
				http.StatusForbidden, "UNAUTHORIZED", "Access denied: privilege " + privilege + " on " + entity.Value,
			}
		}
	}
	return nil
}

func serviceContentOf(registry *simulator.Registry) types.ServiceContent {
	return registry.Get(serviceInstance).(*simulator.ServiceInstance).Content
}

// call answers one request: an error, or something for the body, with nil for none.
type call func(who caller, r *http.Request) (any, error)

// serveAutomation puts the API before the simulator's. The service has to be without a listener still.
func serveAutomation(accounts *accounts, registry *simulator.Registry, libraries *libraries) {
	door := &automation{accounts: accounts, registry: registry, sessions: make(map[string]string)}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/session", door.login)
	mux.HandleFunc("DELETE /api/session", door.logout)
	for pattern, answer := range libraries.calls() {
		mux.HandleFunc(pattern, door.guarded(answer))
	}
	simulator.RegisterEndpoint(func(service *simulator.Service, _ *simulator.Registry) {
		for _, prefix := range []string{"/api/session", "/api/content/", "/api/vcenter/ovf/"} {
			service.Handle(prefix, mux)
		}
	})
}

func (a *automation) login(w http.ResponseWriter, r *http.Request) {
	user, password, ok := r.BasicAuth()
	if !ok || !a.accounts.valid(&types.Login{UserName: user, Password: password}) {
		fail(w, &trouble{http.StatusUnauthorized, "UNAUTHENTICATED", "Authentication required."})
		return
	}
	token := uuid.NewString()
	a.mu.Lock()
	a.sessions[token] = user
	a.mu.Unlock()
	answer(w, http.StatusCreated, token)
}

func (a *automation) logout(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	delete(a.sessions, r.Header.Get(sessionHeader))
	a.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
}

// guarded has a call answered for whoever is logged in.
func (a *automation) guarded(answered call) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		a.mu.Lock()
		user, ok := a.sessions[r.Header.Get(sessionHeader)]
		a.mu.Unlock()
		if !ok {
			fail(w, &trouble{http.StatusUnauthorized, "UNAUTHENTICATED", "This method requires authentication."})
			return
		}
		result, err := answered(caller{a, user}, r)
		switch {
		case err != nil:
			fail(w, err)
		case result == nil:
			w.WriteHeader(http.StatusNoContent)
		default:
			answer(w, http.StatusOK, result)
		}
	}
}

func fail(w http.ResponseWriter, err error) {
	known, ok := err.(*trouble)
	if !ok {
		known = &trouble{http.StatusInternalServerError, "ERROR", err.Error()}
	}
	answer(w, known.status, map[string]any{
		"error_type": known.kind, "messages": []localizable{worded(known.words)},
	})
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(body); err != nil {
		log.Printf("answer: %v", err)
	}
}

// read takes the body of a request, which may hold nothing that the lab does not know.
func read(r *http.Request, into any) error {
	decoder := json.NewDecoder(r.Body)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return invalid(err.Error())
	}
	return nil
}
