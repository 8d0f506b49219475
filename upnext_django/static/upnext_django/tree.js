// The execution tree: moving by keyboard in the table, and one list of every job of a long tree.
(() => {
  "use strict";

  const typing = (target) => target.closest("input, textarea, select, [contenteditable]");

  // One stop of the tab key; the arrows move it. The rows are asked for anew, since a live page replaces them.
  function keys(event) {
    if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || typing(event.target)) return;
    const table = document.querySelector(".upnext-tree");
    if (!table) return;
    const rows = [...table.tBodies[0].rows];
    const at = rows.indexOf(event.target.closest("tr"));
    const inside = at >= 0;
    let to = -1;
    if (event.key === "f") {
      const failed = rows.filter((row) => row.hasAttribute("data-failed"));
      const next = failed.find((row) => rows.indexOf(row) > at) || failed[0];
      to = rows.indexOf(next);
    } else if (inside && event.key === "ArrowDown") to = Math.min(at + 1, rows.length - 1);
    else if (inside && event.key === "ArrowUp") to = Math.max(at - 1, 0);
    else if (inside && event.key === "Home") to = 0;
    else if (inside && event.key === "End") to = rows.length - 1;
    else if (inside && event.key === "ArrowRight" && rows[at].getAttribute("aria-expanded") === "false") follow(rows[at]);
    else if (inside && event.key === "ArrowLeft" && rows[at].getAttribute("aria-expanded") === "true") follow(rows[at]);
    else if (inside && event.key === "Enter" && event.target === rows[at]) follow(rows[at]);
    else return;
    event.preventDefault();
    if (to >= 0) focus(rows, to);
  }

  function follow(row) {
    const link = row.querySelector("a");
    if (link) link.click();
  }

  function focus(rows, to) {
    for (const row of rows) row.tabIndex = -1;
    rows[to].tabIndex = 0;
    rows[to].focus();
  }

  function prepare() {
    const table = document.querySelector(".upnext-tree");
    if (!table || table.querySelector("tr[tabindex]")) return;
    const rows = [...table.tBodies[0].rows];
    for (const row of rows) row.tabIndex = -1;
    if (rows.length) (table.querySelector(".upnext-here") || rows[0]).tabIndex = 0;
    table.title = table.dataset.sayKeys;
  }

  // Every job of a long tree in one list, of which only the rows in sight are in the page.
  const HEIGHT = 24;
  const BEYOND = 20;
  const SVG = "http://www.w3.org/2000/svg";

  function offer(holder) {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "button";
    button.textContent = holder.dataset.sayOpen;
    button.addEventListener("click", () => open(holder, button));
    holder.append(button);
  }

  async function open(holder, button) {
    button.disabled = true;
    try {
      const answer = await fetch(holder.dataset.url + location.search, { headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      show(holder, await answer.json());
      button.remove();
    } catch {
      button.disabled = false;
      button.textContent = holder.dataset.sayFailed;
    }
  }

  function show(holder, data) {
    const view = document.createElement("div");
    view.className = "upnext-tree-window";
    view.setAttribute("role", "treegrid");
    view.setAttribute("aria-label", document.querySelector(".upnext-tree").getAttribute("aria-label"));
    view.setAttribute("aria-rowcount", data.rows.length);
    view.tabIndex = 0;
    const whole = document.createElement("div");
    whole.setAttribute("role", "rowgroup");
    whole.style.height = `${data.rows.length * HEIGHT}px`;
    view.append(whole);
    holder.append(view);
    const drawn = new Map();
    const draw = () => {
      const first = Math.max(0, Math.floor(view.scrollTop / HEIGHT) - BEYOND);
      const last = Math.min(data.rows.length, Math.ceil((view.scrollTop + view.clientHeight) / HEIGHT) + BEYOND);
      for (const [at, row] of drawn) {
        if (at < first || at >= last) {
          row.remove();
          drawn.delete(at);
        }
      }
      for (let at = first; at < last; at += 1) {
        if (!drawn.has(at)) {
          const row = line(holder, data, at);
          drawn.set(at, row);
          whole.append(row);
        }
      }
    };
    view.addEventListener("scroll", () => requestAnimationFrame(draw), { passive: true });
    view.addEventListener("keydown", (event) => {
      if (event.key !== "f") return;
      event.preventDefault();
      event.stopPropagation();
      const here = Math.floor(view.scrollTop / HEIGHT);
      const failed = data.kinds.indexOf("failed");
      let next = data.rows.findIndex((row, at) => at > here && row[2] === failed);
      if (next < 0) next = data.rows.findIndex((row) => row[2] === failed);
      if (next >= 0) view.scrollTop = next * HEIGHT;
    });
    draw();
    view.focus();
  }

  function line(holder, data, at) {
    const [depth, name, status, id, critical, ran, bars] = data.rows[at];
    const row = document.createElement("div");
    row.setAttribute("role", "row");
    row.setAttribute("aria-level", depth + 1);
    row.setAttribute("aria-rowindex", at + 1);
    row.style.top = `${at * HEIGHT}px`;
    if (critical) row.className = "upnext-critical";
    const link = document.createElement("a");
    link.href = holder.dataset.jobUrl.replace("/0/", `/${id}/`);
    link.textContent = data.names[name];
    const title = cell();
    title.style.paddingInlineStart = `${Math.min(depth, 20)}rem`;
    title.append(link);
    const state = cell(data.kinds[status]);
    state.className = `upnext-${data.kinds[status]}`;
    const chart = document.createElementNS(SVG, "svg");
    chart.setAttribute("viewBox", `0 0 ${holder.dataset.width} 16`);
    chart.setAttribute("preserveAspectRatio", "none");
    chart.setAttribute("class", "upnext-bars");
    chart.setAttribute("aria-hidden", "true");
    for (const [kind, x, width] of bars) {
      const thin = data.kinds[kind] === "wait" || data.kinds[kind] === "pause";
      const bar = document.createElementNS(SVG, "rect");
      bar.setAttribute("class", `upnext-bar-${data.kinds[kind]}`);
      bar.setAttribute("x", x);
      bar.setAttribute("width", width);
      bar.setAttribute("y", thin ? 7 : 3);
      bar.setAttribute("height", thin ? 2 : 10);
      chart.append(bar);
    }
    const timeline = cell();
    timeline.append(chart);
    row.append(title, state, cell(ran === null ? "-" : ran < 1 ? `${Math.round(ran * 1000)} ms` : `${ran.toFixed(1)} s`), timeline);
    return row;
  }

  function cell(text = "") {
    const made = document.createElement("div");
    made.setAttribute("role", "gridcell");
    made.textContent = text;
    return made;
  }

  document.addEventListener("keydown", keys);
  document.addEventListener("upnext:refreshed", prepare);
  const start = () => {
    prepare();
    const holder = document.getElementById("upnext-tree-list");
    if (holder) offer(holder);
  };
  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", start);
  else start();
})();
