"use strict";
(() => {
  const read = () => JSON.parse(document.getElementById("view").textContent);
  const parts = () => [...document.querySelectorAll("[data-live]")];

  // In the frame: hand the parts up, do nothing else.
  if (window.parent !== window) {
    const html = Object.fromEntries(parts().map((part) => [part.id, part.innerHTML]));
    window.parent.postMessage({ leadbook: 1, told: read(), title: document.title, html }, "*");
    return;
  }

  let told = read(), title = document.title, heard = false, frame = null, asked = 0, wasStale = false;
  // Two clocks: the steady one stands still while a laptop sleeps, the other may be set.
  let newsAt = Date.now(), newsSteady = performance.now();
  const late = Math.max(0, Date.now() - told.drawn);
  let before = late;
  const age = () => before + Math.max(Date.now() - newsAt, performance.now() - newsSteady);
  const by = (id) => document.getElementById(id);

  const span = (ms) => {
    const s = Math.round(ms / 1000);
    return s < 100 ? s + " s" : s < 6000 ? Math.round(s / 60) + " min" : Math.floor(s / 3600) + " h " + Math.round((s % 3600) / 60) + " min";
  };
  const say = (text) => { if (by("said").textContent !== text) by("said").textContent = text; };

  const tick = () => {
    const old = age(), stale = old > told.stale_after_s * 1000;
    by("age").textContent = span(old) + " ago";
    by("stale").hidden = !stale;
    by("stale-since").textContent = stale ? " for " + span(old) : "";
    document.body.classList.toggle("is-stale", stale);
    by("word").textContent = stale ? "NO NEWS, was " + told.verdict : told.verdict;
    document.title = (stale ? "NO NEWS, was " : "") + title;
    if (stale !== wasStale) say(stale ? "No news: the watch may have stopped." : "News again. Verdict: " + told.verdict);
    wasStale = stale;
  };

  // Exchange what changed; keep what was unfolded, what has the focus, how far tables were scrolled.
  const redraw = (html) => {
    for (const part of parts()) {
      const next = html[part.id];
      if (typeof next !== "string" || next === drawn[part.id]) continue;
      const focus = part.contains(document.activeElement) ? document.activeElement.id : "";
      const open = [...part.querySelectorAll("details[open]")].map((one) => one.id);
      const rolled = [...part.querySelectorAll(".scroll[id]")].map((one) => [one.id, one.scrollLeft]);
      part.innerHTML = next;
      drawn[part.id] = next;
      for (const id of open) if (by(id)) by(id).open = true;
      for (const [id, left] of rolled) if (by(id)) by(id).scrollLeft = left;
      if (focus && by(focus)) by(focus).focus({ preventScroll: true });
    }
  };
  const drawn = Object.fromEntries(parts().map((part) => [part.id, part.innerHTML]));

  window.addEventListener("message", (event) => {
    if (!frame || event.source !== frame.contentWindow || !event.data || event.data.leadbook !== 1) return;
    heard = true;
    frame.remove();
    frame = null;
    const next = event.data;
    if (next.told.drawn <= told.drawn) return;
    if (next.told.verdict !== told.verdict) say("Verdict: " + next.told.verdict);
    told = next.told;
    title = next.title;
    newsAt = Date.now();
    newsSteady = performance.now();
    before = 0;
    redraw(next.html);
    tick();
  });

  const ask = () => {
    if (document.hidden) return;
    if (frame) frame.remove();
    // Where frames are refused altogether, an old page is loaded anew.
    if (!heard && asked > 3 && age() > told.stale_after_s * 1000) { asked = 0; location.reload(); return; }
    asked += 1;
    frame = document.createElement("iframe");
    frame.hidden = true;
    frame.tabIndex = -1;
    frame.title = "newer view";
    frame.setAttribute("aria-hidden", "true");
    frame.setAttribute("sandbox", "allow-scripts");
    frame.src = location.href.split("#")[0].split("?")[0] + "?n=" + Date.now();
    document.body.append(frame);
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest && event.target.closest("[data-copy]");
    if (!button) return;
    try {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.firstChild.textContent = "copied";
    } catch {
      getSelection().selectAllChildren(button.previousElementSibling);
      button.firstChild.textContent = "marked: press Ctrl-C";
    }
  });
  document.addEventListener("visibilitychange", () => { tick(); ask(); });
  tick();
  setInterval(tick, 1000);
  const again = () => { ask(); setTimeout(again, told.poll_s * 1000); };
  setTimeout(again, told.poll_s * 1000);
})();
