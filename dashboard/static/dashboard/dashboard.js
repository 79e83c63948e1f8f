// What the dashboard does in the browser: times in the viewer's zone, parts that renew themselves,
// what a chart says under the pointer, copying. Without it each page can be read all the same.
(() => {
  "use strict";

  const FORMS = {
    full: { dateStyle: "medium", timeStyle: "medium" },
    time: { hour: "2-digit", minute: "2-digit" },
    clock: { hour: "2-digit", minute: "2-digit", second: "2-digit" },
    day: { day: "numeric", month: "short" },
    daytime: { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" },
  };
  const DAY = 24 * 3600 * 1000;
  const MOST_LOG_ROWS = 500;

  function ago(moment) {
    const seconds = Math.round((Date.now() - moment) / 1000);
    if (seconds < 5) return "just now";
    if (seconds < 120) return `${seconds} s ago`;
    if (seconds < 7200) return `${Math.round(seconds / 60)} min ago`;
    if (seconds < 172800) return `${Math.round(seconds / 3600)} h ago`;
    return `${Math.round(seconds / 86400)} d ago`;
  }

  function write(moment, form) {
    if (form === "ago") return ago(moment);
    let options = FORMS[form] || FORMS.full;
    // A time of day alone means today.
    if (form === "clock" && Math.abs(Date.now() - moment) > DAY / 2) {
      options = { ...FORMS.daytime, ...options };
    }
    return new Intl.DateTimeFormat(undefined, options).format(moment);
  }

  function localise(root) {
    for (const time of root.querySelectorAll("time[datetime]")) {
      const moment = new Date(time.dateTime);
      time.textContent = write(moment, time.dataset.form);
      time.title = `${write(moment, "full")} (${time.dateTime})`;
    }
    for (const label of root.querySelectorAll(".m-across [data-at]")) {
      label.textContent = write(new Date(Number(label.dataset.at)), label.dataset.form);
    }
  }

  // Live parts: fetched every few seconds, not while the tab is hidden, paused, or worked in.

  function isBusy(part) {
    return part.contains(document.activeElement) || part.querySelector("details[open]") !== null;
  }

  function prepend(part, incoming) {
    const known = new Set([...part.children].map((row) => row.dataset.id));
    const rows = [...incoming.children].filter((row) => row.dataset.id && !known.has(row.dataset.id));
    part.prepend(...rows);
    while (part.children.length > MOST_LOG_ROWS) part.lastElementChild.remove();
  }

  async function renew(part) {
    if (document.hidden || part.dataset.paused || (part.dataset.mode !== "prepend" && isBusy(part))) {
      return;
    }
    let answer;
    try {
      let url = part.dataset.live;
      const latest = part.querySelector("[data-after]");
      if (part.dataset.mode === "prepend" && latest) {
        url += `${url.includes("?") ? "&" : "?"}after=${latest.dataset.after}`;
      }
      answer = await fetch(url, { credentials: "same-origin", redirect: "error" });
    } catch {
      part.classList.add("m-lost");
      return;
    }
    if (!answer.ok) {
      part.classList.add("m-lost");
      return;
    }
    const incoming = document.createElement("template");
    incoming.innerHTML = await answer.text();
    part.classList.remove("m-lost");
    localise(incoming.content);
    if (part.dataset.mode === "prepend") prepend(part, incoming.content);
    else if (!isBusy(part)) part.replaceChildren(incoming.content);
  }

  function live(part) {
    const every = Number(part.dataset.every) * 1000;
    const tick = async () => {
      // What has come to its end does not change any more.
      if (part.querySelector("[data-settled]")) return;
      await renew(part);
      setTimeout(tick, every);
    };
    setTimeout(tick, every);
    document.addEventListener("visibilitychange", () => renew(part));
  }

  // What a chart says.

  function tip(event) {
    const shown = document.getElementById("m-tip");
    if (!shown) return;
    const slot = event.target.closest ? event.target.closest(".m-slot") : null;
    shown.hidden = !slot;
    if (!slot) return;
    const moment = write(new Date(Number(slot.dataset.at)), slot.dataset.form);
    shown.textContent = `${moment}\n${slot.dataset.says}`;
    const right = event.clientX + 16 + shown.offsetWidth > window.innerWidth;
    shown.style.left = `${right ? Math.max(0, event.clientX - 16 - shown.offsetWidth) : event.clientX + 16}px`;
    shown.style.top = `${event.clientY + 12}px`;
  }

  async function copy(button) {
    const source = document.getElementById(button.dataset.copy);
    try {
      await navigator.clipboard.writeText(source.textContent);
      button.textContent = "Copied";
    } catch {
      // Without TLS browsers give no clipboard: the text is selected instead.
      getSelection().selectAllChildren(source);
      button.textContent = "Selected: press Ctrl+C";
    }
  }

  function pause(button) {
    const part = document.getElementById(button.dataset.pause);
    const paused = !part.dataset.paused;
    if (paused) part.dataset.paused = "yes";
    else delete part.dataset.paused;
    button.setAttribute("aria-pressed", String(paused));
    button.textContent = paused ? "Go on" : "Pause";
    renew(part);
  }

  document.addEventListener("DOMContentLoaded", () => {
    localise(document);
    document.querySelectorAll("[data-live]").forEach(live);
    document.addEventListener("pointermove", tip);
    document.addEventListener("pointerdown", tip);
    document.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (button && button.dataset.copy) copy(button);
      if (button && button.dataset.pause) pause(button);
    });
    document.addEventListener("change", (event) => {
      if (event.target.dataset.submits !== undefined) event.target.form.requestSubmit();
    });
    setInterval(() => localise(document), 10000);
  });
})();
