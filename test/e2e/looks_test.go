package e2e

import (
	"os"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// shootOthers saves the page in the dark and on a phone's width, where ARTIFACTS
// asks for pictures.
func (w *window) shootOthers(name string) {
	if os.Getenv("ARTIFACTS") == "" {
		return
	}
	dark := []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: dark})
	w.shoot(name + "-dark")
	w.do(chromedp.EmulateViewport(390, 844))
	w.shoot(name + "-phone-dark")
	call(w, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{})
	w.shoot(name + "-phone")
	w.do(chromedp.EmulateViewport(1280, 800))
}
