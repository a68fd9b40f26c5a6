// Comfort only: every page works without JavaScript. Live updates, a cursor on charts, the command palette, the zone.

const live = document.getElementById("live");
const pause = document.getElementById("pause");
const palette = document.getElementById("palette");
const AT_MOST_EVERY_MS = 1500;

// Charts: pointer and keyboard read one column of the table behind them; a legend's entry hides its series.

function attachChart(figure) {
  const drawing = [...figure.querySelectorAll("svg")].find((svg) => svg.checkVisibility()) || figure.querySelector("svg");
  const rows = [...figure.querySelectorAll("details tbody tr[data-i]")];
  const names = [...figure.querySelectorAll("details thead th")].slice(1).map((cell) => cell.textContent);
  if (!drawing || !rows.length || figure.dataset.attached) return;
  figure.dataset.attached = "1";
  const count = Number(figure.dataset.steps);
  const byStep = new Map(rows.map((row) => [Number(row.dataset.i), row]));
  const tip = document.createElement("output");
  tip.className = "tip";
  tip.hidden = true;
  figure.append(tip);
  let at = count - 1;
  const show = (step, x) => {
    at = Math.min(count - 1, Math.max(0, step));
    const row = byStep.get(at);
    const cells = row ? [...row.children].map((cell) => cell.textContent) : [];
    const values = names.map((name, index) => `${name}  ${cells[index + 1] || "–"}`);
    tip.textContent = row ? [cells[0], ...values].join("\n") : "nothing";
    tip.hidden = false;
    const room = figure.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${Math.max(8, Math.min(room, x + 12))}px`;
  };
  const svgs = figure.querySelectorAll("svg");
  svgs.forEach((svg) => {
    const left = Number(svg.dataset.left), right = Number(svg.dataset.right), width = svg.viewBox.baseVal.width;
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const place = ((event.clientX - box.left) / box.width) * width;
      show(Math.floor(((place - left) / (width - left - right)) * count), event.clientX - figure.getBoundingClientRect().left);
    });
    svg.addEventListener("pointerleave", () => { tip.hidden = true; });
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("keydown", (event) => {
      const known = [...byStep.keys()];
      const before = known.filter((step) => step < at).at(-1), after = known.find((step) => step > at);
      const step = { ArrowLeft: before ?? at, ArrowRight: after ?? at, Home: known[0], End: known.at(-1) }[event.key];
      if (step === undefined) return;
      event.preventDefault();
      const box = svg.getBoundingClientRect(), inner = width - left - right;
      const chosen = step;
      show(chosen, ((left + ((chosen + 0.5) / count) * inner) / width) * box.width);
    });
    svg.addEventListener("blur", () => { tip.hidden = true; });
  });
  figure.querySelectorAll(".legend li").forEach((entry) => {
    const style = [...entry.querySelector(".key").classList].find((name) => name !== "key");
    const button = document.createElement("button");
    button.type = "button";
    button.className = "plain";
    button.setAttribute("aria-pressed", "true");
    button.append(...entry.childNodes);
    entry.append(button);
    button.addEventListener("click", () => {
      const hidden = figure.classList.toggle(`hide-${style}`);
      button.setAttribute("aria-pressed", String(!hidden));
    });
  });
}

function attachAll() {
  document.querySelectorAll("figure.chart").forEach(attachChart);
  document.querySelectorAll("select[data-submit]").forEach((select) => {
    select.addEventListener("change", () => select.form.requestSubmit());
  });
}

// Live: an event says that something changed; the page asks for itself again.

let paused = sessionStorage.getItem("paused") === "1";
let last = performance.now();
let took = 0;
let waiting = 0;

function isBusy() {
  const active = document.activeElement;
  const typing = active && live.contains(active) && /^(INPUT|SELECT|TEXTAREA)$/.test(active.tagName);
  return paused || document.hidden || typing || live.querySelector(".tip:not([hidden])") || palette?.open;
}

function describe(element) {
  return element && live.contains(element) ? [...live.querySelectorAll(element.tagName)].indexOf(element) : -1;
}

async function refresh() {
  waiting = 0;
  if (isBusy()) { schedule(); return; }
  last = performance.now();
  let answer;
  try {
    answer = await fetch(location.href, { redirect: "error", headers: { "x-live": "1" } });
  } catch {
    return;
  }
  if (!answer.ok && answer.status !== 503) return;
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  took = performance.now() - last;
  const fresh = page.getElementById("live");
  if (!fresh || isBusy()) return;
  const opened = [...live.querySelectorAll("details")].map((one) => one.open);
  const hidden = [...live.querySelectorAll("figure.chart")].map((one) => [...one.classList].filter((name) => name.startsWith("hide-")));
  const focused = describe(document.activeElement), tag = document.activeElement?.tagName;
  live.replaceChildren(...fresh.children);
  live.querySelectorAll("details").forEach((one, index) => { if (index in opened) one.open = opened[index]; });
  live.querySelectorAll("figure.chart").forEach((one, index) => one.classList.add(...(hidden[index] || [])));
  document.getElementById("headline")?.replaceWith(page.getElementById("headline") || "");
  document.title = page.title;
  attachAll();
  if (focused >= 0) live.querySelectorAll(tag)[focused]?.focus({ preventScroll: true });
}

function schedule() {
  if (waiting) return;
  waiting = setTimeout(refresh, Math.max(50, Math.max(AT_MOST_EVERY_MS, 5 * took) - (performance.now() - last)));
}

function showPause() {
  pause.hidden = false;
  pause.textContent = paused ? "Go on" : "Pause";
  pause.setAttribute("aria-pressed", String(paused));
  pause.title = paused ? "This page stands still" : "This page follows what happens";
}

if (live && pause && window.EventSource) {
  const events = new EventSource("/live");
  events.addEventListener("change", schedule);
  pause.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem("paused", paused ? "1" : "0");
    showPause();
    if (!paused) schedule();
  });
  showPause();
}

// The palette: `/` or Ctrl-K. It shows what the search page shows.

if (palette) {
  const input = document.getElementById("palette-q"), list = document.getElementById("palette-list");
  let chosen = 0, asked = 0;
  const choose = (index) => {
    const options = [...list.children];
    if (!options.length) return;
    chosen = (index + options.length) % options.length;
    options.forEach((option, place) => option.setAttribute("aria-selected", String(place === chosen)));
    input.setAttribute("aria-activedescendant", options[chosen].id);
    options[chosen].scrollIntoView({ block: "nearest" });
  };
  const fill = async () => {
    const turn = ++asked;
    const answer = await fetch(`/search?q=${encodeURIComponent(input.value)}`, { redirect: "error" }).catch(() => null);
    if (turn !== asked || !answer?.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const options = [...(page.getElementById("results")?.children || [])];
    options.forEach((option, index) => {
      option.id = `palette-option-${index}`;
      option.setAttribute("role", "option");
      option.firstElementChild.tabIndex = -1;
    });
    list.replaceChildren(...options);
    choose(0);
  };
  const open = () => {
    input.value = "";
    palette.showModal();
    fill();
  };
  document.addEventListener("keydown", (event) => {
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) || event.target.isContentEditable;
    const asks = (event.key === "k" && (event.ctrlKey || event.metaKey)) || (event.key === "/" && !typing);
    if (!asks || palette.open) return;
    event.preventDefault();
    open();
  });
  input.addEventListener("input", fill);
  input.addEventListener("keydown", (event) => {
    if (event.key === "ArrowDown") choose(chosen + 1);
    else if (event.key === "ArrowUp") choose(chosen - 1);
    else if (event.key === "Enter") list.children[chosen]?.querySelector("a")?.click();
    else return;
    event.preventDefault();
  });
  palette.addEventListener("click", (event) => { if (event.target === palette) palette.close(); });
}

// The zone of this browser, told once; the page Display keeps another.

if (live && !document.cookie.includes("steward_zone=")) {
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone && zone !== "UTC") {
    document.cookie = `steward_zone=${zone}; path=/; max-age=31536000; samesite=strict${location.protocol === "https:" ? "; secure" : ""}`;
    schedule();
  }
}

attachAll();
