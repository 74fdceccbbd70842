// the page of all visits: one visit at a time, with its pictures and its rating
(() => {
  const look = document.getElementById("look");
  if (!look) return;
  const all = (what, where = document) => [...where.querySelectorAll(what)];
  const list = document.getElementById("visits"), form = look.querySelector("form"), image = document.getElementById("picture");
  const rows = () => all("tbody tr", list), shown = () => rows().filter((row) => !row.hidden);
  const visitOf = (row) => row.querySelector("a").dataset.visit;
  let current = "", key = "";
  const mark = () => rows().forEach((row) => {
    const one = ratings.get(visitOf(row));
    row.querySelector("[data-rated]").textContent = one.rating || "not rated";
  });
  const draw = () => {
    const row = rows().find((one) => visitOf(one) === current), link = row.querySelector("a");
    const has = (link.dataset.pictures ?? "").split(" ").filter(Boolean);
    for (const button of all("[data-picture]", look)) {
      button.hidden = !has.includes(button.dataset.picture);
    }
    if (!has.includes(key)) key = all("[data-picture]:not([hidden])", look)[0]?.dataset.picture ?? "";
    all("[data-picture]", look).forEach((button) => button.setAttribute("aria-pressed", button.dataset.picture === key));
    image.hidden = !key;
    if (key) {
      image.src = `${link.dataset.folder}/${current}_desc-${key}.png`;
      image.alt = `${current}: ${look.querySelector(`[data-picture="${key}"]`).textContent}`;
    }
  };
  const open = (row, move = true) => {
    current = visitOf(row);
    rows().forEach((one) => one.removeAttribute("aria-current"));
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
    document.getElementById("visit-name").textContent = current;
    const report = document.getElementById("visit-report"), href = row.querySelector("a").getAttribute("href");
    report.hidden = !href; // a visit whose derivatives came without a report
    if (href) report.href = href;
    document.getElementById("visit-flags").textContent = row.querySelector("[data-flags]").textContent;
    form.dataset.rating = current;
    ratings.fill(form);
    form.querySelector("[role=status]").textContent = "";
    document.getElementById("visit-place").textContent = `${shown().indexOf(row) + 1} of ${shown().length}`;
    draw();
    if (move) history.replaceState(null, "", `#${current}`);
  };
  const step = (by) => {
    const some = shown(), at = some.findIndex((row) => visitOf(row) === current);
    const next = some[Math.min(Math.max(at + by, 0), some.length - 1)];
    if (next) open(next);
  };
  all("[data-picture]", look).forEach((button) => button.addEventListener("click", () => { key = button.dataset.picture; draw(); }));
  all("[data-step]", look).forEach((button) => button.addEventListener("click", () => step(Number(button.dataset.step))));
  rows().forEach((row) => row.querySelector("button").addEventListener("click", () => open(row)));
  document.getElementById("filter").addEventListener("change", (event) => {
    rows().forEach((row) => {
      const rated = Boolean(ratings.get(visitOf(row)).rating), flagged = Boolean(row.querySelector(".look, .bad"));
      row.hidden = { all: false, unrated: rated, flagged: !flagged }[event.target.value];
    });
    if (shown().length && !shown().some((row) => visitOf(row) === current)) open(shown()[0]);
  });
  addEventListener("keydown", (event) => {
    if (event.target.matches("input[type=text], select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
    const steps = { n: 1, p: -1 }, choice = form.querySelectorAll("[type=radio]")[Number(event.key) - 1];
    if (event.key in steps) step(steps[event.key]);
    else if (choice) { choice.checked = true; form.dispatchEvent(new Event("input")); } else return;
    event.preventDefault();
  });
  document.addEventListener("rated", mark);
  mark();
  const asked = decodeURIComponent(location.hash.slice(1));
  const first = rows().find((row) => visitOf(row) === asked) ?? rows()[0];
  if (first) open(first, false);
})();
