package client

import (
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/parley-rtc/parley/test/internal/browser"
	"github.com/parley-rtc/parley/test/internal/parleyd"
	"github.com/parley-rtc/parley/test/internal/wire"
)

// soon is far below the half minute after which a silent connection is given up, and above the
// seconds that it takes on a quiet machine, which the tests log.
const soon = 15 * time.Second

// A page whose network has changed is back in its room in seconds, though its WebSocket looks
// open.
func TestSilentNetwork(t *testing.T) {
	d := parleyd.Start(t)
	n := wire.New(t, d.Address)
	w := window(t, browser.Start(t), fmt.Sprintf("http://%s/client/parley.js", n.Address))
	do(t, w, `
const { join } = await import("/client/parley.js");
window.room = await join(new URL("/ws", location.href.replace(/^http/, "ws")), "garden")`)
	n.Silence()
	do(t, w, `dispatchEvent(new Event("online"))`)
	start := time.Now()
	d.Wait(t, "resumed")
	browser.Until(t, w, "it is in the room", `room.state === "joined"`)
	if took := time.Since(start); took > soon {
		t.Errorf("back after %v", took)
	} else {
		t.Logf("back after %v", took)
	}
	do(t, w, `await room.send("x")`)
}

// inside names the variable that is set in a network namespace of the test's own.
const inside = "IN_NETWORK_NAMESPACE"

// A call whose both ends lose their address and get another goes on in seconds. It runs in a
// network namespace, where no interface but one has ever been.
func TestAddressChanges(t *testing.T) {
	if os.Getenv(inside) == "" {
		again := exec.Command("unshare", "--net", os.Args[0], "-test.run=^TestAddressChanges$", "-test.v")
		again.Env = append(os.Environ(), inside+"=1")
		out, err := again.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	for _, command := range []string{"link set lo up", "link add net0 type veth peer name net1", "link set net1 up", "addr add 10.1.1.1/24 dev net0", "link set net0 up", "route add default via 10.1.1.254"} {
		ip(t, command)
	}
	d := parleyd.Start(t)
	w := window(t, browser.Start(t), fmt.Sprintf("http://%s/client/parley.js", d.Address))
	do(t, w, helpers+`
const canvas = document.createElementNS("http://www.w3.org/1999/xhtml", "canvas"), context = canvas.getContext("2d");
setInterval(() => context.fillRect(Math.random() * 99, 0, 9, 9), 50);
const stream = canvas.captureStream(20);
ann.addTrack(stream.getTracks()[0], stream);
const { toAnn } = await meet();
window.packets = async () => [...(await toAnn.connection.getStats()).values()].filter(({ type }) => type === "inbound-rtp").reduce((n, s) => n + s.packetsReceived, 0);
window.address = async () => {
  const all = await toAnn.connection.getStats(), transport = [...all.values()].find(({ type }) => type === "transport");
  return all.get(all.get(transport.selectedCandidatePairId)?.localCandidateId)?.address;
};
window.before = 0`)
	browser.Until(t, w, "media comes", `await packets() > 10 && await address() === "10.1.1.1"`)
	ip(t, "addr del 10.1.1.1/24 dev net0")
	ip(t, "addr add 10.2.2.2/24 dev net0")
	ip(t, "route replace default via 10.2.2.254")
	start := time.Now()
	browser.Until(t, w, "the call has found the new address", `await address() === "10.2.2.2" && (before ||= await packets())`)
	browser.Until(t, w, "media comes", `await packets() > before + 10`)
	if took := time.Since(start); took > soon {
		t.Errorf("media comes after %v", took)
	} else {
		t.Logf("media comes after %v", took)
	}
}

func ip(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.Command("sh", "-c", "ip "+command).CombinedOutput(); err != nil {
		t.Fatalf("ip %s: %v\n%s", command, err, out)
	}
}
