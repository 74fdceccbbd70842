// What moves in a report. Without it every picture, table and text is still there.
"use strict";
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

  // a table as a file with tabs
  for (const table of all("table[data-download]")) {
    const button = make("button", { type: "button", className: "js", textContent: "Download as TSV" });
    button.addEventListener("click", () => {
      const lines = [...table.rows].map((row) => [...row.cells].map((c) => c.textContent.trim()).join("\t"));
      const link = make("a", { download: table.dataset.download });
      link.href = URL.createObjectURL(new Blob([lines.join("\n") + "\n"], { type: "text/tab-separated-values" }));
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    });
    table.parentElement.after(button);
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
