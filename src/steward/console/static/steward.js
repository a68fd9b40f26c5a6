// Optional: a cursor on charts, and a refresh every five seconds. The page works without JavaScript.

function attachCursor(figure) {
  const svg = figure.querySelector("svg");
  const rows = [...figure.querySelectorAll("details tbody tr")];
  const names = [...figure.querySelectorAll("details thead th")].slice(1).map((cell) => cell.textContent);
  if (!svg || !rows.length) return;
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.hidden = true;
  figure.append(tip);
  svg.addEventListener("pointermove", (event) => {
    const box = svg.getBoundingClientRect();
    const place = (event.clientX - box.left) / box.width;
    const row = rows[Math.min(rows.length - 1, Math.max(0, Math.floor(place * rows.length)))];
    const cells = [...row.children].map((cell) => cell.textContent);
    tip.textContent = [cells[0], ...names.map((name, index) => `${name}  ${cells[index + 1] || "–"}`)].join("\n");
    tip.hidden = false;
  });
  svg.addEventListener("pointerleave", () => { tip.hidden = true; });
}

function attachAll() {
  document.querySelectorAll("figure.chart").forEach(attachCursor);
}

async function refresh() {
  const live = document.getElementById("live");
  if (!live || document.hidden || live.querySelector("details[open]") || live.querySelector(".tip:not([hidden])")) return;
  try {
    const answer = await fetch(location.pathname, { redirect: "error" });
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    live.replaceChildren(...page.getElementById("live").children);
    document.title = page.title;
    attachAll();
  } catch {
    document.title = "No answer · steward";
  }
}

attachAll();
if (document.getElementById("live")) setInterval(refresh, 5000);
