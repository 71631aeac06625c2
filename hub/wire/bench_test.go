package wire

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// sized makes an offer whose sdp is a string of n bytes, with line breaks as SDP
// has them.
func sized(n int) []byte {
	line := `a=rtpmap:96 VP8/90000\r\n`
	sdp := strings.Repeat(line, n/len(line)+1)[:n/len(line)*len(line)]
	return fmt.Appendf(nil, `{"type":"offer","to":"bob","sdp":"%s%s"}`, sdp, strings.Repeat("x", n-len(sdp)))
}

// candidateText is a candidate as a browser makes it.
const candidateText = `{"type":"candidate","to":"bob","candidate":{"candidate":"candidate:842163049 1 udp 1677729535 192.0.2.17 46154 typ srflx ` +
	`raddr 10.0.0.17 rport 46154 generation 0 ufrag EsAw","sdpMid":"0","sdpMLineIndex":0,"usernameFragment":"EsAw"}}`

func BenchmarkParse(b *testing.B) {
	texts := map[string][]byte{"candidate": []byte(candidateText)}
	for _, n := range []int{100, 300, 1500, 16000, 60000} {
		texts[fmt.Sprintf("bytes=%d", n)] = sized(n)
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		b.Run(name, func(b *testing.B) {
			text := texts[name]
			var e Envelope
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if r := e.Parse(text); r != nil {
					b.Fatal(r)
				}
			}
		})
	}
}

func BenchmarkForward(b *testing.B) {
	for _, n := range []int{300, 1500} {
		b.Run(fmt.Sprintf("bytes=%d", n), func(b *testing.B) {
			var e Envelope
			if r := e.Parse(sized(n)); r != nil {
				b.Fatal(r)
			}
			s := NewSuffixes("garden", "ann")
			var dst []byte
			b.ReportAllocs()
			for b.Loop() {
				dst = e.AppendForward(dst[:0], &s)
			}
		})
	}
}
