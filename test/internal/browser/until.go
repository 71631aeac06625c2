package browser

import (
	"context"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// Until waits for an expression to be true in a window.
func Until(t *testing.T, ctx context.Context, what, expression string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, parleyd.Patience)
	defer cancel()
	for {
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(async () => !!(`+expression+`))()`, chromedp.EvalAwaitPromise))
		if is {
			return
		}
		if ctx.Err() != nil {
			t.Fatalf("not in time: %s (%v)", what, err)
		}
		_ = chromedp.Do(ctx, chromedp.Evaluate[chromedp.Void](`new Promise(done => setTimeout(done, 50))`, chromedp.EvalAwaitPromise))
	}
}
