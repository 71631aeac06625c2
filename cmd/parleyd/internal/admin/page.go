package admin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// Page is a part of a list.
type Page[T any] struct {
	Total *int   `json:"total,omitempty"` // of the whole list; absent: it was not counted
	Items []T    `json:"items"`
	Next  string `json:"next,omitempty"` // the cursor of what follows; absent: nothing does
}

// Limits of a page.
const (
	defaultPage = 100
	maxPage     = 1000
)

// order says which of two comes first, as cmp.Compare does.
type order[T any] func(a, b T) int

func sortBy[T any](list []T, o order[T]) { slices.SortFunc(list, o) }

// page answers with the part of a list that is asked for with limit, cursor and
// sort. A cursor is the last of what went before, so that what comes and goes
// between two pages neither hides nor repeats anything else.
func page[T any](w http.ResponseWriter, r *http.Request, list []T, orders map[string]order[T]) {
	by, known := orders[r.FormValue("sort")]
	if !known {
		fail(w, http.StatusBadRequest, "\"sort\" is none of the orders that there are")
		return
	}
	limit, last, ok := window[T](w, r)
	if !ok {
		return
	}
	sortBy(list, by)
	start := 0
	if last != nil {
		at, found := slices.BinarySearchFunc(list, *last, func(a, b T) int { return by(a, b) })
		start = at
		if found {
			start++
		}
	}
	total := len(list)
	replyPage(w, list[start:], limit, &total)
}

// window reads which part of a list is asked for: at most limit items after last;
// nil: from the start. It answers a wrong request itself; ok is false then.
func window[T any](w http.ResponseWriter, r *http.Request) (limit int, last *T, ok bool) {
	limit = defaultPage
	if text := r.FormValue("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > maxPage {
			fail(w, http.StatusBadRequest, "\"limit\" is not a number from 1 to "+strconv.Itoa(maxPage))
			return 0, nil, false
		}
		limit = n
	}
	if text := r.FormValue("cursor"); text != "" {
		last = new(T)
		b, err := base64.RawURLEncoding.DecodeString(text)
		if err != nil || json.Unmarshal(b, last) != nil {
			fail(w, http.StatusBadRequest, "\"cursor\" is none that was handed out")
			return 0, nil, false
		}
	}
	return limit, last, true
}

// replyPage answers with the first limit items of what is left of a list.
func replyPage[T any](w http.ResponseWriter, list []T, limit int, total *int) {
	p := Page[T]{Total: total, Items: list[:min(limit, len(list))]}
	if limit < len(list) {
		b, err := json.Marshal(p.Items[limit-1])
		if err != nil {
			fail(w, http.StatusInternalServerError, err.Error())
			return
		}
		p.Next = base64.RawURLEncoding.EncodeToString(b)
	}
	reply(w, http.StatusOK, p)
}
