package browser

import (
	"bufio"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/chromedp/chromedp"
)

// The picture of a fake camera.
const (
	faceWidth, faceHeight = 960, 540 // px
	faceFrames            = 10       // of a film that is shown again and again
	faceRate              = 5        // frames a second
)

type rgb struct{ r, g, b float64 }

// persona is how somebody looks.
type persona struct {
	skin, hair, shirt, wall, lamp rgb
	long, glasses, beard          bool
}

var personas = []persona{
	{skin: rgb{.93, .74, .61}, hair: rgb{.36, .20, .12}, shirt: rgb{.16, .45, .55}, wall: rgb{.88, .84, .76}, lamp: rgb{.98, .93, .80}, long: true},
	{skin: rgb{.55, .36, .25}, hair: rgb{.09, .07, .07}, shirt: rgb{.80, .42, .25}, wall: rgb{.55, .65, .68}, lamp: rgb{.78, .86, .88}, beard: true},
	{skin: rgb{.86, .67, .50}, hair: rgb{.13, .12, .15}, shirt: rgb{.36, .33, .58}, wall: rgb{.74, .80, .70}, lamp: rgb{.90, .94, .86}, glasses: true},
	{skin: rgb{.96, .80, .71}, hair: rgb{.80, .52, .24}, shirt: rgb{.27, .50, .34}, wall: rgb{.80, .72, .76}, lamp: rgb{.95, .88, .91}, long: true, glasses: true},
}

// Face makes a camera whose picture is a drawn face, the n-th of them.
func Face(t *testing.T, n int) chromedp.ExecAllocatorOption {
	t.Helper()
	path := filepath.Join(t.TempDir(), fmt.Sprintf("face-%d.y4m", n))
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriter(f)
	_, _ = fmt.Fprintf(w, "YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n", faceWidth, faceHeight, faceRate)
	for i := range faceFrames {
		_, _ = w.WriteString("FRAME\n")
		writeFrame(w, personas[n%len(personas)], float64(i)/faceFrames, i%faceFrames == faceFrames-1)
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return chromedp.Flag("use-file-for-fake-video-capture", path)
}

// writeFrame writes the planes of one frame: brightness, and both colors at half the size.
func writeFrame(w *bufio.Writer, p persona, phase float64, blinks bool) {
	pixels := make([]rgb, faceWidth*faceHeight)
	for y := range faceHeight {
		for x := range faceWidth {
			// Half a pixel to each side makes edges smooth.
			var sum rgb
			for _, d := range [4][2]float64{{.25, .25}, {.75, .25}, {.25, .75}, {.75, .75}} {
				c := p.at((float64(x)+d[0]-faceWidth/2)/faceHeight, (float64(y)+d[1])/faceHeight-.5, phase, blinks)
				sum = rgb{sum.r + c.r/4, sum.g + c.g/4, sum.b + c.b/4}
			}
			pixels[y*faceWidth+x] = sum
			_ = w.WriteByte(byte(16 + 219*(.299*sum.r+.587*sum.g+.114*sum.b)))
		}
	}
	for _, weights := range []rgb{{-.169, -.331, .5}, {.5, -.419, -.081}} {
		for y := 0; y < faceHeight; y += 2 {
			for x := 0; x < faceWidth; x += 2 {
				c := pixels[y*faceWidth+x]
				_ = w.WriteByte(byte(128 + 224*(weights.r*c.r+weights.g*c.g+weights.b*c.b)))
			}
		}
	}
}

func mix(a, b rgb, share float64) rgb {
	share = max(0, min(1, share))
	return rgb{a.r + (b.r-a.r)*share, a.g + (b.g-a.g)*share, a.b + (b.b-a.b)*share}
}

// ellipse says whether a point is in an ellipse around (cx, cy).
func ellipse(x, y, cx, cy, rx, ry float64) bool {
	dx, dy := (x-cx)/rx, (y-cy)/ry
	return dx*dx+dy*dy < 1
}

// at is the color of a point: (0, 0) is the middle, and the height is 1.
func (p persona) at(x, y, phase float64, blinks bool) rgb {
	room := mix(p.lamp, p.wall, math.Hypot(x+.5, y+.35)*1.1)
	if x > .48 && x < .8 && y > -.36 && y < .1 { // a picture on the wall
		room = mix(p.shirt, p.lamp, .55)
		if x > .5 && x < .78 && y > -.33 && y < .07 {
			room = mix(p.shirt, p.wall, .4+.5*math.Sin(9*x+4*y))
		}
	}
	sway := .012 * math.Sin(2*math.Pi*phase)
	x -= sway
	if y < -.35 || math.Abs(x) > .45 {
		return room
	}
	if feature := p.features(x, y, blinks); feature != nil {
		return *feature
	}
	dark := mix(p.skin, rgb{}, .16)
	switch {
	case ellipse(x, y, 0, -.05, .185, .25): // the head
		return mix(p.skin, dark, (x+.1)*1.6)
	case p.long && ellipse(x, y, 0, .02, .25, .36) && y < .3:
		return mix(p.hair, rgb{}, .12)
	case ellipse(x, y, -.19, -.03, .03, .055) || ellipse(x, y, .19, -.03, .03, .055):
		return dark
	case ellipse(x, y, 0, .2, .085, .16): // the neck
		return mix(dark, rgb{}, .08)
	case ellipse(x, y, 0, .62, .42, .34):
		return mix(p.shirt, rgb{}, math.Abs(x)*.7)
	}
	return room
}

// features are hair, eyes and mouth; nil: there is none at this point.
func (p persona) features(x, y float64, blinks bool) *rgb {
	side := math.Abs(x)
	white, iris, lips := rgb{.97, .97, .96}, rgb{.16, .12, .10}, mix(p.skin, rgb{.62, .16, .18}, .65)
	fringe := -.2 + .6*x*x
	if p.long {
		fringe = -.2 + .05*math.Sin(6*x+1)
	}
	switch {
	case ellipse(x, y, 0, -.1, .205, .235) && y < fringe:
		return &p.hair
	case p.glasses && !ellipse(side, y, .078, -.05, .058, .048) && ellipse(side, y, .078, -.05, .066, .056), p.glasses && side < .02 && math.Abs(y+.055) < .005:
		return &iris
	case math.Abs(y+.118-.25*(side-.078)*(side-.078)) < .009 && side > .04 && side < .118:
		return &p.hair
	case blinks && math.Abs(y+.045) < .005 && side > .045 && side < .11:
		return &iris
	case !blinks && ellipse(side, y, .078, -.047, .016, .02):
		return &iris
	case !blinks && ellipse(side, y, .078, -.047, .034, .022):
		return &white
	case ellipse(x, y, .004, .025, .016, .02) && y > .02:
		shade := mix(p.skin, rgb{}, .25)
		return &shade
	case ellipse(x, y, 0, .085, .07, .04) && y > .088 && !ellipse(x, y, 0, .07, .075, .034):
		return &lips
	case p.beard && ellipse(x, y, 0, -.05, .187, .252) && y > .055 && !ellipse(x, y, 0, .03, .13, .07):
		beard := mix(p.hair, p.skin, .12)
		return &beard
	}
	return nil
}
