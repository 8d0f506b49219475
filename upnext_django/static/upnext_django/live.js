// Live pages: the page is fetched anew, and what differs in the regions marked data-upnext-live is patched in.
(() => {
  "use strict";

  const KEPT_AS = "upnext.refresh";
  const USUAL_S = 5;
  const LONGEST_MS = 60_000;
  const ANSWER_MS = 30_000;
  // The stream tells of jobs' moves; what is none (a pause, a worker that fell silent) is asked for this often.
  const UNTOLD_MS = 30_000;
  const LEAST_MS = 2_000;
  const SAY_AFTER_MS = 1_000;
  const SAY_AGAIN_MS = 10_000;
  // What scripts and readers set: a fresh page does not have it.
  const OURS = new Set(["open", "tabindex", "title"]);
  const THEIRS = new Set(["open", "checked"]);

  let control;
  let seconds = USUAL_S;
  let timer;
  let last = performance.now();
  let free = -Infinity;
  let isFresh = false;
  let failures = 0;
  let isBusy = false;
  let isDirty = false;
  let stream = null;
  let hasStream = true;
  let unsaid = 0;
  let sayTimer = null;
  let said = -SAY_AGAIN_MS;

  const regions = () => document.querySelectorAll("[data-upnext-live][id]");

  function plan() {
    clearTimeout(timer);
    if (!seconds || document.hidden || isBusy) return;
    const usual = seconds * 1000;
    let due = last + usual;
    if (failures) due = last + Math.min(usual * 2 ** failures, LONGEST_MS) * (0.5 + Math.random());
    else if (stream && stream.readyState === EventSource.OPEN) {
      due = isDirty ? Math.max(free, last + LEAST_MS) : last + Math.max(usual, UNTOLD_MS);
    }
    timer = setTimeout(refresh, Math.max(0, due - performance.now()));
  }

  async function refresh() {
    isBusy = true;
    isDirty = false;
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(ANSWER_MS) });
      if (!answer.ok) throw new Error(String(answer.status));
      if (answer.redirected) return leave();
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      const isAway = (page) => page.querySelector("[data-upnext-away]") !== null;
      // The page that says what is missing and the page itself have nothing in common to patch.
      if (isAway(fresh) !== isAway(document)) {
        if (isAway(fresh)) throw new Error("away");
        return location.reload();
      }
      if (seconds) apply(fresh);
      failures = 0;
    } catch {
      failures += 1;
      note(control.dataset.sayFailed);
    } finally {
      last = performance.now();
      // A change shows at once, the next one when the chosen time is over; what was caught up with does not count.
      if (isFresh) isFresh = false;
      else free = last + seconds * 1000;
      isBusy = false;
      plan();
    }
  }

  // Who is sent elsewhere is logged out, or looks at what is gone.
  function leave() {
    stop();
    seconds = 0;
    control.querySelector("select").value = "0";
    note(control.dataset.sayGone);
  }

  function apply(fresh) {
    const boxes = document.querySelectorAll(".action-select").length;
    let changed = 0;
    let isHeld = false;
    for (const region of regions()) {
      // Django's sidebar has ids of our models too: upnext-queue is one of its cells.
      const other = fresh.querySelector(`[data-upnext-live]#${CSS.escape(region.id)}`);
      if (!other) continue;
      if (held(region)) {
        isHeld = true;
        continue;
      }
      changed += difference(region, other);
      patch(region, other);
    }
    keepMessages(fresh);
    const boxesNow = document.querySelectorAll("tr input.action-select");
    // Django's own script knows the boxes that were there when it began.
    if (window.Actions && boxesNow.length && boxesNow.length !== boxes) window.Actions(boxesNow);
    note(isHeld ? control.dataset.sayHeld : control.dataset.sayAt.replace("{time}", time()));
    if (changed) announce(changed);
    document.dispatchEvent(new CustomEvent("upnext:refreshed", { detail: { changed } }));
  }

  // What somebody points at, has marked or has the focus on must not become another job under their hand.
  function held(region) {
    const focus = document.activeElement;
    if (focus !== region && region.contains(focus) && !focus.matches(".upnext-scroll, summary")) return true;
    if (region.matches(":active") || region.querySelector(".action-select:checked, #action-toggle:checked")) return true;
    const marked = getSelection();
    return !marked.isCollapsed && marked.containsNode(region, true);
  }

  function patch(old, fresh) {
    if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(document.importNode(fresh, true));
      return;
    }
    if (old.nodeType !== Node.ELEMENT_NODE) {
      if (old.data !== fresh.data) old.data = fresh.data;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (!OURS.has(name) && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (!THEIRS.has(name) && old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    if (old.hasAttribute("data-upnext-keep")) return;
    const olds = [...old.childNodes];
    [...fresh.childNodes].forEach((child, at) => {
      if (at < olds.length) patch(olds[at], child);
      else old.append(document.importNode(child, true));
    });
    for (const gone of olds.slice(fresh.childNodes.length)) gone.remove();
  }

  const lines = (region) => [...region.querySelectorAll("tr, li, .upnext-card, .form-row")].map((line) => line.textContent.trim());

  // How many lines the fresh region has that the old one has not.
  function difference(old, fresh) {
    const known = new Map();
    for (const line of lines(old)) known.set(line, (known.get(line) || 0) + 1);
    return lines(fresh).filter((line) => {
      const count = known.get(line) || 0;
      known.set(line, count - 1);
      return count <= 0;
    }).length;
  }

  // The server shows a message once; it came with this answer.
  function keepMessages(fresh) {
    const list = fresh.querySelector(".messagelist");
    if (!list) return;
    const place = document.querySelector(".messagelist");
    if (place) place.append(...[...list.children].map((one) => document.importNode(one, true)));
    else document.querySelector("#content").before(document.importNode(list, true));
  }

  function announce(changed) {
    unsaid += changed;
    if (sayTimer !== null) return;
    const wait = Math.max(SAY_AFTER_MS, said + SAY_AGAIN_MS - performance.now());
    sayTimer = setTimeout(() => {
      const { sayOne, sayMany } = control.dataset;
      control.querySelector("[role=status]").textContent = (unsaid === 1 ? sayOne : sayMany).replace("{count}", unsaid);
      unsaid = 0;
      sayTimer = null;
      said = performance.now();
    }, wait);
  }

  function note(text) {
    control.querySelector("[data-upnext-live-note]").textContent = text;
  }

  const time = () => new Date().toLocaleTimeString(document.documentElement.lang || undefined);

  function listen() {
    if (stream || !hasStream || !control.dataset.stream) return;
    stream = new EventSource(control.dataset.stream);
    const touched = () => {
      isDirty = true;
      plan();
    };
    // The first comes at once: what changed since the page was made was not told.
    stream.addEventListener("open", () => {
      isFresh = true;
    });
    stream.addEventListener("change", touched);
    stream.addEventListener("error", () => {
      // A refusal is for good; after a lost connection the browser comes back by itself.
      if (stream && stream.readyState === EventSource.CLOSED) {
        stream = null;
        hasStream = false;
      }
      plan();
    });
  }

  function stop() {
    clearTimeout(timer);
    if (stream) stream.close();
    stream = null;
  }

  function go() {
    if (!seconds || document.hidden) return stop();
    listen();
    plan();
  }

  function remembered() {
    try {
      return localStorage.getItem(KEPT_AS);
    } catch {
      return null; // no storage for this site
    }
  }

  function choose(select) {
    seconds = Number(select.value);
    failures = 0;
    note("");
    try {
      localStorage.setItem(KEPT_AS, select.value);
    } catch {
      // It is forgotten with the page.
    }
    go();
  }

  function start() {
    control = document.querySelector("[data-upnext-live-control]");
    // What says how things are is on every page; alone it is not worth asking for.
    if (!control || !document.querySelector("[data-upnext-live][id]:not(#upnext-state)")) return;
    const select = control.querySelector("select");
    const before = remembered();
    if ([...select.options].some((option) => option.value === before)) select.value = before;
    seconds = Number(select.value);
    select.addEventListener("change", () => choose(select));
    control.hidden = false;
    document.addEventListener("visibilitychange", () => {
      // Nobody waits for a page that comes back into sight.
      if (!document.hidden) last = -Infinity;
      go();
    });
    addEventListener("pagehide", stop);
    addEventListener("pageshow", (event) => event.persisted && go());
    go();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
