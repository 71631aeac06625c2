package e2e

import (
	"context"
	"fmt"
	"net/url"
	"testing"

	"github.com/coder/websocket"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// Names that try to be more than names are shown as what they are, in the page and
// in the log, and the page runs no script but its own.
func TestNamesAreNoScripts(t *testing.T) {
	const name, id, room = `<img src=x onerror="window.pwned=1">`, `"><script>window.pwned=1</script>`, `</h2><b>room</b>`
	const hebrew = "שלום"
	d := parleyd.Start(t)
	ann := open(t, browser.Start(t), "Ann", "http://"+d.Address+"/#"+url.PathEscape(room))
	ann.join(room)
	ann.panel("people")

	ctx, cancel := context.WithTimeout(t.Context(), parleyd.Patience)
	defer cancel()
	for _, who := range [][2]string{{id, name}, {"rtl", hebrew}} {
		conn, _, err := websocket.Dial(ctx, "ws://"+d.Address+"/ws", nil)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.CloseNow()
		join := fmt.Appendf(nil, `{"type":"join","room":%q,"from":%q,"name":%q}`, room, who[0], who[1])
		if err := conn.Write(ctx, websocket.MessageText, join); err != nil {
			t.Fatal(err)
		}
	}
	ann.until("the names are shown as they are", fmt.Sprintf("%s && %s && %s",
		shows("#members", name), fmt.Sprintf(`[...document.querySelectorAll("#members .who")].some(e => e.title === %q)`, id), shows("#room-name", room)))
	ann.until("nothing has become an element", `!document.querySelector("#members img, #members script, #room-name b") && !window.pwned`)
	ann.until("text that runs from right to left stays in its place",
		fmt.Sprintf(`[...document.querySelectorAll("#members bdi")].some(e => e.textContent === %q)`, hebrew))
	ann.eval(`{
  const script = document.createElement("script");
  script.textContent = "window.pwned = 1";
  document.body.append(script);
  document.body.insertAdjacentHTML("beforeend", '<button id="inline" onclick="window.pwned = 1">x</button>');
  document.querySelector("#inline").click();
}`)
	ann.until("no script from outside has run", `!window.pwned`)
	d.Wait(t, "join", "id", id, "room", room)
}
