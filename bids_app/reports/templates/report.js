// What moves in a report. Without it every picture, table and text is still there.
"use strict";
{% include "rating.js" %}
{% include "qc.js" %}
(() => {
  const root = document.documentElement;
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const make = (tag, options = {}) => Object.assign(document.createElement(tag), options);
  root.classList.add("scripted");

  // dark or light: the system's choice until the reader makes one
  const store = { get() { try { return localStorage.getItem("demyelin-theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("demyelin-theme", value); } catch { /* private window */ } } };
  const theme = document.getElementById("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (root.dataset.theme ? root.dataset.theme === "dark" : system.matches);
  const nameTheme = () => { if (theme) theme.textContent = isDark() ? "Light page" : "Dark page"; };
  if (["dark", "light"].includes(store.get())) root.dataset.theme = store.get();
  system.addEventListener("change", nameTheme);
  theme?.addEventListener("click", () => {
    root.dataset.theme = isDark() ? "light" : "dark";
    store.set(root.dataset.theme);
    nameTheme();
  });
  nameTheme();

  // tables: a button in each head sorts; numbers by value, texts by language; what is missing stays last
  const keyOf = (row, column) => {
    const cell = row.cells[column], text = cell.dataset.value ?? cell.textContent.trim();
    if (text === "" || text === "n/a") return null;
    return isNaN(Number(text)) ? text : Number(text);
  };
  const compare = (a, b) => (typeof a === "number" && typeof b === "number" ? a - b
    : String(a).localeCompare(String(b), "en", { numeric: true }));
  const sortBy = (table, column) => {
    const head = table.tHead.rows[0].cells[column];
    const falling = head.classList.contains("n") ? head.getAttribute("aria-sort") !== "descending" : head.getAttribute("aria-sort") === "ascending";
    for (const other of table.tHead.rows[0].cells) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", falling ? "descending" : "ascending");
    const rows = [...table.tBodies[0].rows].map((row, place) => ({ row, place, key: keyOf(row, column) }));
    rows.sort((a, b) => {
      if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.place - b.place;
      return (falling ? compare(b.key, a.key) : compare(a.key, b.key)) || a.place - b.place;
    });
    table.tBodies[0].append(...rows.map((one) => one.row));
  };
  for (const table of all("table.sortable")) {
    [...table.tHead.rows[0].cells].forEach((head, column) => {
      const button = make("button", { type: "button", className: "sort" });
      button.append(...head.childNodes);
      button.addEventListener("click", () => sortBy(table, column));
      head.append(button);
    });
  }

  // tabs by mouse and arrow keys
  for (const box of all("[data-tabs]")) {
    const tabs = all("[role=tab]", box);
    const show = (chosen, focus) => tabs.forEach((tab) => {
      const on = tab === chosen;
      tab.setAttribute("aria-selected", on);
      tab.tabIndex = on ? 0 : -1;
      document.getElementById(tab.getAttribute("aria-controls")).hidden = !on;
      if (on && focus) tab.focus();
    });
    const steps = { ArrowRight: 1, ArrowLeft: -1 };
    tabs.forEach((tab, place) => {
      tab.addEventListener("click", () => show(tab, false));
      tab.addEventListener("keydown", (event) => {
        if (event.key === "Home" || event.key === "End") show(tabs.at(event.key === "Home" ? 0 : -1), true);
        else if (event.key in steps) show(tabs[(place + steps[event.key] + tabs.length) % tabs.length], true);
        else return;
        event.preventDefault();
      });
    });
    show(tabs[0], false);
  }

  // copy a text; where the clipboard is closed to pages from disk, select it
  for (const button of all("[data-copy]")) {
    button.addEventListener("click", async () => {
      const source = document.getElementById(button.dataset.copy), told = button.parentElement.querySelector("[role=status]");
      try {
        await navigator.clipboard.writeText(source.textContent);
        told.textContent = "Copied";
      } catch {
        getSelection().selectAllChildren(source);
        told.textContent = document.execCommand("copy") ? "Copied" : "Selected: press Ctrl+C";
      }
      setTimeout(() => { told.textContent = ""; }, 4000);
    });
  }

  // pictures: flicker between two backgrounds, layers that fade, values above a threshold that moves
  const colours = (stops) => {
    const ends = stops.split(" ").map((hex) => [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16)));
    return Array.from({ length: 256 }, (_, byte) => {
      const place = (byte / 255) * (ends.length - 1), low = Math.min(Math.floor(place), ends.length - 2);
      return ends[low].map((value, channel) => value + (place - low) * (ends[low + 1][channel] - value));
    });
  };
  const context = (canvas) => canvas.getContext("2d", { willReadFrequently: true });
  const drawnOf = async (image) => {
    await image.decode();
    const canvas = make("canvas", { width: image.naturalWidth, height: image.naturalHeight });
    context(canvas).drawImage(image, 0, 0);
    return canvas;
  };
  // a tile of a sheet in a mirror, for every tile that shows both sides of the head
  const mirror = (canvas, boxes) => {
    const pen = context(canvas), before = make("canvas", { width: canvas.width, height: canvas.height });
    context(before).drawImage(canvas, 0, 0);
    for (const [x, y, edge] of boxes) {
      pen.save();
      pen.clearRect(x, y, edge, edge);
      pen.translate(2 * x + edge, 0);
      pen.scale(-1, 1);
      pen.drawImage(before, x, y, edge, edge, x, y, edge, edge);
      pen.restore();
    }
    return canvas;
  };
  const painter = async (layer, turned) => {
    const image = new Image();
    image.src = layer.dataset.raw;
    const raw = await drawnOf(image), canvas = make("canvas", { width: raw.width, height: raw.height, className: layer.className });
    const { low, high, stops } = layer.dataset, ramp = colours(stops);
    let now = Number(low);
    canvas.style.opacity = layer.style.opacity;
    canvas.hidden = layer.hidden;
    layer.replaceWith(canvas);
    const draw = (level) => {
      now = level;
      const pixels = context(raw).getImageData(0, 0, raw.width, raw.height), data = pixels.data;
      const least = ((level - Number(low)) / (Number(high) - Number(low))) * 255;
      for (let at = 0; at < data.length; at += 4) {
        const byte = data[at];
        [data[at], data[at + 1], data[at + 2]] = ramp[byte];
        data[at + 3] = byte >= least ? 255 : 0;
      }
      context(canvas).putImageData(pixels, 0, 0);
    };
    if (turned) mirror(raw, turned);
    return { canvas, draw, turn(boxes) { mirror(raw, boxes); draw(now); } };
  };

  // neurological view (the person's left on the left) or radiological view: one choice for all pictures of the page
  const sides = document.getElementById("sides"), turns = [];
  const boxesOf = (svg) => all("g.turns", svg).map((mark) => mark.dataset.box.split(" ").map(Number));
  const turnImage = async (image, boxes) => { image.src = mirror(await drawnOf(image), boxes).toDataURL(); };
  let radiological = false;
  const turnMarks = (svg) => all("g.turns", svg).forEach((mark) => {
    const [left, right] = mark.querySelectorAll("text");
    [left.textContent, right.textContent] = [right.textContent, left.textContent];
  });
  const turnAll = async () => {
    radiological = !radiological;
    sides.setAttribute("aria-pressed", radiological);
    sides.textContent = radiological ? "Neurological view" : "Radiological view";
    all("[data-side]").forEach((one) => { one.textContent = radiological ? "The person's left is on the right (radiological view)." : "The person's left is on the left (neurological view)."; });
    const work = all(".strip-box").map(async (box) => {
      const svg = box.querySelector(".marks"), image = box.querySelector("img");
      image.loading = "eager";
      await turnImage(image, boxesOf(svg));
      turnMarks(svg);
    });
    await Promise.all([...work, ...turns.map((turn) => turn())]);
    document.body.dataset.sides = radiological ? "radiological" : "neurological";
    try { localStorage.setItem("demyelin-sides", document.body.dataset.sides); } catch { /* private window */ }
  };
  sides?.addEventListener("click", () => { sides.disabled = true; turnAll().finally(() => { sides.disabled = false; }); });
  for (const figure of all("[data-stack]")) {
    const layers = all(".layer", figure), painters = [], svg = figure.querySelector(".marks"), boxes = boxesOf(svg);
    turns.push(async () => {
      const still = all(".sheet img", figure).map((image) => turnImage(image, boxes));
      await Promise.all([...still, ...painters.filter(Boolean).map(async (one) => (await one).turn(boxes))]);
      turnMarks(svg);
    });
    figure.querySelector("[data-zoom]").addEventListener("input", (event) => { figure.querySelector(".sheet").style.width = `${event.target.value}%`; });
    for (const box of all("[data-show]", figure)) {
      box.addEventListener("change", () => { layers[box.dataset.show].hidden = !box.checked; });
    }
    for (const slider of all("[data-fade]", figure)) {
      slider.addEventListener("input", () => { layers[slider.dataset.fade].style.opacity = slider.value / 100; });
    }
    for (const slider of all("[data-threshold]", figure)) {
      const at = slider.dataset.threshold, told = slider.parentElement.querySelector("output");
      slider.addEventListener("input", async () => {
        told.textContent = Number(slider.value).toFixed(2);
        painters[at] ??= painter(layers[at], radiological ? boxes : null);
        const ready = await painters[at];
        layers[at] = ready.canvas;
        ready.draw(Number(slider.value));
      });
    }
    const second = figure.querySelector(".second");
    if (!second) continue;
    const button = figure.querySelector("[data-flicker]"), play = figure.querySelector("[data-play]"), blend = figure.querySelector("[data-blend]");
    const names = button.dataset.names.split("|");
    const show = (share) => {
      second.style.opacity = share / 100;
      blend.value = share;
      button.setAttribute("aria-pressed", share >= 50);
      button.textContent = `Showing ${names[share >= 50 ? 1 : 0]}`;
    };
    const swap = () => show(Number(blend.value) >= 50 ? 0 : 100);
    let clock = 0;
    play.addEventListener("click", () => {
      const on = play.getAttribute("aria-pressed") !== "true";
      play.setAttribute("aria-pressed", on);
      clearInterval(clock);
      if (on) clock = setInterval(swap, 700);
    });
    button.addEventListener("click", swap);
    blend.addEventListener("input", () => show(Number(blend.value)));
    figure.querySelector(".sheet").addEventListener("click", swap);
    figure.querySelector(".scroll").addEventListener("keydown", (event) => { if (event.key === "f") swap(); });
  }

  // lesions: a chosen row shows its picture; arrow keys go up and down the table as it is sorted
  const chosen = document.getElementById("chosen");
  const linkOf = (row) => row?.querySelector('a[href^="#lesion-"]');
  const choose = (link) => {
    const card = document.getElementById(link.getAttribute("href").slice(1));
    const copy = card.cloneNode(true), image = copy.querySelector("img");
    image.loading = "eager";
    chosen.replaceChildren(...copy.childNodes);
    all("#lesion-rows tr[aria-current]").forEach((row) => row.removeAttribute("aria-current"));
    link.closest("tr").setAttribute("aria-current", "true");
  };
  for (const link of all('#lesion-rows a[href^="#lesion-"]')) {
    link.addEventListener("click", (event) => { event.preventDefault(); choose(link); });
    link.addEventListener("keydown", (event) => {
      const row = link.closest("tr");
      const next = linkOf({ ArrowDown: row.nextElementSibling, ArrowUp: row.previousElementSibling }[event.key]);
      if (!next) return;
      event.preventDefault();
      next.focus();
      choose(next);
    });
    link.closest("tr").addEventListener("click", () => choose(link));
  }
  const first = linkOf(document.getElementById("lesion-rows")?.tBodies[0]);
  if (first) choose(first);

  if (sides) {
    let wish = "";
    try { wish = localStorage.getItem("demyelin-sides"); } catch { /* private window */ }
    if (wish === "radiological") sides.click();
  }

  // the section in view is marked in the contents
  const links = new Map(all(".contents a").map((link) => [link.getAttribute("href").slice(1), link]));
  const watch = new IntersectionObserver((seen) => {
    for (const one of seen) if (one.isIntersecting) {
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(one.target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "0px 0px -70% 0px" });
  all("main section[id]").forEach((section) => watch.observe(section));

  // on paper everything that is folded is open
  addEventListener("beforeprint", () => all("details:not([open])").forEach((one) => { one.open = true; one.dataset.folded = ""; }));
  addEventListener("afterprint", () => all("details[data-folded]").forEach((one) => { one.open = false; delete one.dataset.folded; }));
})();
