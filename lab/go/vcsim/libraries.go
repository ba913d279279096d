package main

import (
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"
	"github.com/vmware/govmomi/ovf"
	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/types"
)

// libraries are the vCenter's content libraries, and what is under way in them.
type libraries struct {
	registry *simulator.Registry
	machines *machines
	vapps    *vapps
	web      *web

	mu        sync.Mutex
	libraries map[string]*library
	items     map[string]*item
	updates   map[string]*update
	made      map[string]string // ids by what was made and the client's token
	deployed  map[string]deployment
}

type library struct {
	ID          string    `json:"id,omitempty"`
	Name        string    `json:"name"`
	Description string    `json:"description,omitempty"`
	Type        string    `json:"type"`
	Backings    []backing `json:"storage_backings"`
}

type backing struct {
	Type      string `json:"type"`
	Datastore string `json:"datastore_id"`
}

type item struct {
	ID          string `json:"id,omitempty"`
	Library     string `json:"library_id"`
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	Type        string `json:"type,omitempty"`
	Size        int64  `json:"size,omitempty"`

	appliance *ovf.Envelope
	users     int // deployments that are under way
}

// update is a session in which the content of an item changes.
type update struct {
	ID    string       `json:"id,omitempty"`
	Item  string       `json:"library_item_id"`
	State string       `json:"state,omitempty"`
	Error *localizable `json:"error_message,omitempty"`

	user      string
	completed bool
	files     map[string]*file
}

type file struct {
	Name        string       `json:"name"`
	Source      string       `json:"source_type"`
	Endpoint    *endpoint    `json:"source_endpoint,omitempty"`
	Checksum    *checksum    `json:"checksum_info,omitempty"`
	Size        int64        `json:"size,omitempty"`
	Transferred int64        `json:"bytes_transferred"`
	Status      string       `json:"status,omitempty"`
	Error       *localizable `json:"error_message,omitempty"`

	appliance *ovf.Envelope
}

type endpoint struct {
	URI string `json:"uri"`
}

type checksum struct {
	Algorithm string `json:"algorithm"`
	Checksum  string `json:"checksum"`
}

func newLibraries(registry *simulator.Registry, machines *machines, web *web) *libraries {
	vapps := newVapps()
	registry.AddHandler(vapps)
	return &libraries{
		registry: registry, machines: machines, vapps: vapps, web: web,
		libraries: make(map[string]*library), items: make(map[string]*item), updates: make(map[string]*update),
		made: make(map[string]string), deployed: make(map[string]deployment),
	}
}

// calls are those that the lab answers. One path has several, told apart by the action in its query.
func (l *libraries) calls() map[string]call {
	const items, updates = "/api/content/library/item", "/api/content/library/item/update-session"
	return map[string]call{
		"POST /api/content/library":               actions{"find": l.findLibraries}.call,
		"GET /api/content/local-library":          l.locked(l.listLibraries),
		"POST /api/content/local-library":         l.locked(l.createLibrary),
		"GET /api/content/library/{id}":           l.locked(l.getLibrary),
		"POST " + items:                           actions{"": l.locked(l.createItem), "find": l.locked(l.findItems)}.call,
		"GET " + items:                            l.locked(l.listItems),
		"GET " + items + "/{id}":                  l.locked(l.getItem),
		"DELETE " + items + "/{id}":               l.locked(l.deleteItem),
		"POST " + updates:                         l.locked(l.createUpdate),
		"GET " + updates:                          l.locked(l.listUpdates),
		"GET " + updates + "/{id}":                l.locked(l.getUpdate),
		"DELETE " + updates + "/{id}":             l.locked(l.deleteUpdate),
		"POST " + updates + "/{id}":               actions{"complete": l.locked(l.complete), "cancel": l.locked(l.cancel)}.call,
		"POST " + updates + "/{id}/file":          l.locked(l.addFile),
		"GET " + updates + "/{id}/file":           l.locked(l.listFiles),
		"POST /api/vcenter/ovf/library-item/{id}": actions{"deploy": l.deploy}.call,
	}
}

// actions are calls by the action that the query names.
type actions map[string]call

func (a actions) call(who caller, r *http.Request) (any, error) {
	answered, ok := a[r.URL.Query().Get("action")]
	if !ok {
		return nil, notFound("there is no such operation")
	}
	return answered(who, r)
}

func (l *libraries) locked(answered call) call {
	return func(who caller, r *http.Request) (any, error) {
		l.mu.Lock()
		defer l.mu.Unlock()
		return answered(who, r)
	}
}

// once makes something, or finds what an earlier request with the same token has made.
func (l *libraries) once(r *http.Request, kind string, build func(id string) error) (any, error) {
	token := r.Header.Get("Client-Token")
	if id, ok := l.made[kind+token]; ok && token != "" {
		return id, nil
	}
	id := uuid.NewString()
	if err := build(id); err != nil {
		return nil, err
	}
	if token != "" {
		l.made[kind+token] = id
	}
	return id, nil
}

// ----------------------------------------------------------- libraries, items

func (l *libraries) findLibraries(_ caller, r *http.Request) (any, error) {
	var wanted struct {
		Name string `json:"name"`
		Type string `json:"type"`
	}
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	found := []string{}
	for id, one := range l.libraries {
		if wanted.Name == one.Name && (wanted.Type == "" || wanted.Type == one.Type) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (l *libraries) createLibrary(who caller, r *http.Request) (any, error) {
	made := &library{}
	if err := read(r, made); err != nil {
		return nil, err
	}
	if len(made.Backings) != 1 || made.Backings[0].Type != "DATASTORE" || made.Type != "LOCAL" || made.Name == "" {
		return nil, invalid("a local library has a name and one datastore")
	}
	store := types.ManagedObjectReference{Type: "Datastore", Value: made.Backings[0].Datastore}
	if l.registry.Get(store) == nil {
		return nil, notFound("there is no datastore " + store.Value)
	}
	if err := who.need("ContentLibrary.CreateLocalLibrary"); err != nil {
		return nil, err
	}
	if err := who.need("Datastore.AllocateSpace", store); err != nil {
		return nil, err
	}
	return l.once(r, "library", func(id string) error {
		made.ID = id
		l.libraries[id] = made
		return nil
	})
}

func (l *libraries) listLibraries(caller, *http.Request) (any, error) {
	return append([]string{}, slices.Sorted(maps.Keys(l.libraries))...), nil
}

func (l *libraries) getLibrary(_ caller, r *http.Request) (any, error) {
	if found := l.libraries[r.PathValue("id")]; found != nil {
		return found, nil
	}
	return nil, notFound("there is no library " + r.PathValue("id"))
}

func (l *libraries) createItem(who caller, r *http.Request) (any, error) {
	made := &item{}
	if err := read(r, made); err != nil {
		return nil, err
	}
	if l.libraries[made.Library] == nil {
		return nil, notFound("there is no library " + made.Library)
	}
	if err := who.need("ContentLibrary.AddLibraryItem"); err != nil {
		return nil, err
	}
	return l.once(r, "item", func(id string) error {
		for _, one := range l.items {
			if one.Library == made.Library && one.Name == made.Name {
				return exists("an item of the name " + made.Name + " already exists")
			}
		}
		made.ID, made.Size = id, 0
		l.items[id] = made
		return nil
	})
}

func (l *libraries) findItems(_ caller, r *http.Request) (any, error) {
	var wanted struct {
		Library string `json:"library_id"`
		Name    string `json:"name"`
	}
	if err := read(r, &wanted); err != nil {
		return nil, err
	}
	found := []string{}
	for id, one := range l.items {
		if (wanted.Library == "" || wanted.Library == one.Library) && wanted.Name == one.Name {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (l *libraries) listItems(_ caller, r *http.Request) (any, error) {
	found := []string{}
	for id, one := range l.items {
		if one.Library == r.URL.Query().Get("library_id") {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (l *libraries) item(id string) (*item, error) {
	if found := l.items[id]; found != nil {
		return found, nil
	}
	return nil, notFound("The library item " + id + " does not exist.")
}

func (l *libraries) getItem(_ caller, r *http.Request) (any, error) {
	found, err := l.item(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	return *found, nil
}

func (l *libraries) deleteItem(who caller, r *http.Request) (any, error) {
	found, err := l.item(r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	if err = who.need("ContentLibrary.DeleteLibraryItem"); err != nil {
		return nil, err
	}
	if found.users > 0 {
		return nil, busy("the item is in use")
	}
	delete(l.items, found.ID)
	for id, one := range l.updates {
		if one.Item == found.ID {
			delete(l.updates, id)
		}
	}
	for token, id := range l.made {
		if id == found.ID {
			delete(l.made, token)
		}
	}
	return nil, nil
}

// ------------------------------------------------------------------- updates

func (l *libraries) createUpdate(who caller, r *http.Request) (any, error) {
	made := &update{}
	if err := read(r, made); err != nil {
		return nil, err
	}
	if _, err := l.item(made.Item); err != nil {
		return nil, err
	}
	if err := who.need("ContentLibrary.UpdateSession"); err != nil {
		return nil, err
	}
	return l.once(r, "update", func(id string) error {
		for _, one := range l.updates {
			if one.Item == made.Item && one.State == "ACTIVE" {
				return notNow("the item has an update session already")
			}
		}
		made.ID, made.State, made.user, made.files = id, "ACTIVE", who.user, make(map[string]*file)
		l.updates[id] = made
		return nil
	})
}

// listUpdates tells of those that the caller began.
func (l *libraries) listUpdates(who caller, r *http.Request) (any, error) {
	of := r.URL.Query().Get("library_item_id")
	if of != "" {
		if _, err := l.item(of); err != nil {
			return nil, err
		}
	}
	found := []string{}
	for id, one := range l.updates {
		if one.user == who.user && (of == "" || of == one.Item) {
			found = append(found, id)
		}
	}
	slices.Sort(found)
	return found, nil
}

func (l *libraries) update(r *http.Request) (*update, error) {
	if found := l.updates[r.PathValue("id")]; found != nil {
		return found, nil
	}
	return nil, notFound("There is no update session " + r.PathValue("id") + ".")
}

func (l *libraries) getUpdate(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	return *found, nil
}

func (l *libraries) deleteUpdate(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	if found.State == "ACTIVE" {
		return nil, notNow("the session is active")
	}
	delete(l.updates, found.ID)
	return nil, nil
}

func (l *libraries) complete(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	if found.State != "ACTIVE" {
		return nil, notNow("the session is " + found.State)
	}
	found.completed = true
	l.settle(found)
	return nil, nil
}

func (l *libraries) cancel(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	if found.State != "ACTIVE" {
		return nil, notNow("the session is " + found.State)
	}
	found.State = "CANCELED"
	return nil, nil
}

func (l *libraries) addFile(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	added := &file{}
	if err = read(r, added); err != nil {
		return nil, err
	}
	if found.State != "ACTIVE" {
		return nil, notNow("the session is " + found.State)
	}
	if added.Source != "PULL" || added.Endpoint == nil {
		return nil, invalid("the lab's vCenter pulls files")
	}
	if sum := added.Checksum; sum != nil && hashes[sum.Algorithm] == nil {
		return nil, invalid("there is no checksum algorithm " + sum.Algorithm)
	}
	added.Status = "TRANSFERRING"
	found.files[added.Name] = added
	go l.pull(found, added)
	return *added, nil
}

func (l *libraries) listFiles(_ caller, r *http.Request) (any, error) {
	found, err := l.update(r)
	if err != nil {
		return nil, err
	}
	files := []file{}
	for _, one := range found.files {
		files = append(files, *one)
	}
	return files, nil
}

// pull fetches a file, as long as a task takes.
func (l *libraries) pull(session *update, wanted *file) {
	time.Sleep(taskDelay())
	content, err := l.web.fetch(wanted.Endpoint.URI)
	if err == nil && wanted.Checksum != nil {
		err = wanted.Checksum.verify(wanted.Name, content)
	}
	var appliance *ovf.Envelope
	if err == nil {
		appliance, err = unpack(content)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	wanted.Transferred, wanted.Size, wanted.appliance = int64(len(content)), int64(len(content)), appliance
	wanted.Status = "READY"
	if err != nil {
		words := worded(err.Error())
		wanted.Status, wanted.Error = "ERROR", &words
	}
	l.settle(session)
}

// settle ends a session whose files are all there, or one of which cannot be had.
func (l *libraries) settle(session *update) {
	if session.State != "ACTIVE" {
		return
	}
	var whole int64
	var appliance *ovf.Envelope
	for _, one := range session.files {
		switch one.Status {
		case "ERROR":
			session.State, session.Error = "ERROR", one.Error
			return
		case "READY":
			whole, appliance = whole+one.Size, one.appliance
		default:
			return
		}
	}
	if !session.completed {
		return
	}
	session.State = "DONE"
	if found := l.items[session.Item]; found != nil {
		found.Size, found.appliance, found.Type = whole, appliance, "ovf"
	}
}
