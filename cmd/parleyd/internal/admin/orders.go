package admin

import (
	"encoding/json"
	"net/http"

	"go.uber.org/zap"

	"github.com/parley-rtc/parley/hub"
	"github.com/parley-rtc/parley/hub/wire"
)

// maxOrderBytes is the longest body of an order: what one message may be.
const maxOrderBytes = 64 << 10

// Order is the body of an order.
type Order struct {
	Room string          `json:"room"`
	ID   string          `json:"id,omitempty"`
	Data json.RawMessage `json:"data,omitempty"`
}

// carryOut reads an order, has the hub carry it out, and answers with {}.
func (a *API) carryOut(w http.ResponseWriter, r *http.Request, name string, command func(o Order, h hub.Order) hub.Ordered) {
	var o Order
	decoder := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxOrderBytes))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&o); err != nil {
		fail(w, http.StatusBadRequest, "the body is not an order: "+err.Error())
		return
	}
	switch {
	case !wire.ValidRoom(o.Room):
		fail(w, http.StatusBadRequest, "\"room\" is not a room's name")
		return
	case name == "kick" && !wire.ValidID(o.ID):
		fail(w, http.StatusBadRequest, "\"id\" is not a member's id")
		return
	case name == "message" && len(o.Data) == 0:
		fail(w, http.StatusBadRequest, "\"data\" is missing")
		return
	}
	refusal, err := a.options.Hub.CarryOut(r.Context(), command(o, hub.Order{Room: o.Room}))
	switch {
	case err != nil:
		fail(w, http.StatusServiceUnavailable, err.Error())
		return
	case refusal != nil:
		fail(w, http.StatusNotFound, refusal.Text)
		return
	}
	a.log(r, name, o)
	reply(w, http.StatusOK, struct{}{})
}

func (a *API) log(r *http.Request, name string, o Order) {
	a.options.Logger.Info(EventOrder, zap.String("order", name), zap.String(hub.FieldRemote, r.RemoteAddr),
		zap.String(hub.FieldRoom, o.Room), zap.String(hub.FieldID, o.ID))
}

func (a *API) kick(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "kick", func(o Order, h hub.Order) hub.Ordered { return &hub.Kick{Order: h, To: o.ID} })
}

func (a *API) lock(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "lock", func(_ Order, h hub.Order) hub.Ordered { return &hub.Lock{Order: h, Locked: true} })
}

func (a *API) unlock(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "unlock", func(_ Order, h hub.Order) hub.Ordered { return &hub.Lock{Order: h} })
}

func (a *API) closeRoom(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "close", func(_ Order, h hub.Order) hub.Ordered { return &hub.CloseRoom{Order: h} })
}

func (a *API) message(w http.ResponseWriter, r *http.Request) {
	a.carryOut(w, r, "message", func(o Order, h hub.Order) hub.Ordered { return &hub.Announce{Order: h, Data: o.Data} })
}

// drain begins the end of the server.
func (a *API) drain(w http.ResponseWriter, r *http.Request) {
	a.log(r, "drain", Order{})
	a.options.Drain()
	reply(w, http.StatusAccepted, struct{}{})
}
