// @ts-check
// Tells that the page could not be loaded, which it can't tell by itself, and loads it anew.

{
  const AGAIN = 5_000; // ms
  let told = false;

  /** Whether nothing of the page was drawn yet. */
  const blank = () => document.body?.dataset.phase === "lobby" && document.getElementById("lobby")?.hidden !== false;

  const tell = () => {
    const words = document.getElementById("broken");
    if (words) words.hidden = false;
  };

  // A module that does not come, or that fails before there is a page.
  addEventListener("error", ({ target }) => {
    if (told || !(target instanceof HTMLScriptElement || target === window && blank())) return;
    told = true;
    if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", tell);
    else tell();
    setTimeout(() => location.reload(), AGAIN);
  }, true);
}
