// Keyboard shortcuts; the page works without JavaScript. Digits press a vote or choose a level; nothing is sent twice.

const form = document.querySelector("form.task");
let sent = false;

function press(key) {
  const groups = [...form.querySelectorAll("fieldset")];
  if (groups.length && key !== "0" && /^[1-9]$/.test(key)) {
    const own = document.activeElement?.closest("fieldset");
    const open = own ?? groups.find((group) => !group.querySelector(":checked")) ?? groups[0];
    const level = open.querySelector(`input[data-key="${key}"]`);
    if (!level) return false;
    level.checked = true;
    const after = groups[groups.indexOf(open) + 1];
    (after ?? form).querySelector(after ? ":checked, input" : "[data-key=Enter]").focus();
    return true;
  }
  const target = form.querySelector(`[data-key="${key}"]`);
  target?.click();
  return Boolean(target);
}

if (form) {
  form.addEventListener("submit", (event) => {
    if (sent) event.preventDefault();
    sent = true;
  });
  addEventListener("pageshow", () => { sent = false; });
  addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || event.isComposing) return;
    if (event.target.closest("textarea")) {
      if (event.key === "Escape") event.target.blur();
      return;
    }
    if (event.key.toLowerCase() === "c") {
      form.elements.comment.focus();
      event.preventDefault();
    } else if (event.key === "Enter" ? event.target === document.body && press("Enter") : press(event.key.toLowerCase())) {
      event.preventDefault();
    }
  });
}
