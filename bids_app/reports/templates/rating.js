// ratings of visits, kept in this browser by folder and visit, saved as a table
const ratings = (() => {
  const columns = ["participant_id", "session_id", "rating", "artefacts", "comment", "rater", "date"];
  const place = `demyelin-rating:${location.pathname.replace(/[^/]*$/, "")}:`;
  const make = (tag, options = {}) => Object.assign(document.createElement(tag), options);
  const get = (visit) => { try { return JSON.parse(localStorage.getItem(place + visit)) ?? {}; } catch { return {}; } };
  const put = (visit, rating) => {
    try {
      if (rating) localStorage.setItem(place + visit, JSON.stringify(rating));
      else localStorage.removeItem(place + visit);
      return true;
    } catch { return false; }
  };
  const visits = () => {
    try { return Object.keys(localStorage).filter((key) => key.startsWith(place)).map((key) => key.slice(place.length)).sort(); } catch { return []; }
  };
  const row = (visit) => {
    const [person, session] = visit.split("_"), one = get(visit);
    const cells = { participant_id: person, session_id: session ?? "n/a", ...one, artefacts: (one.artefacts ?? []).join(", ") };
    return columns.map((name) => String(cells[name] ?? "").replace(/\s+/g, " ").trim() || "n/a").join("\t");
  };
  const save = (some, name) => {
    const link = make("a", { download: name });
    link.href = URL.createObjectURL(new Blob([[columns.join("\t"), ...some.map(row)].join("\n") + "\n"], { type: "text/tab-separated-values" }));
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  };
  const fill = (form) => {
    const one = get(form.dataset.rating);
    for (const field of form.elements) {
      if (field.type === "radio") field.checked = one.rating === field.value;
      else if (field.type === "checkbox") field.checked = (one.artefacts ?? []).includes(field.value);
      else if (field.name === "rater") { field.value = one.rater ?? rater(); } else if (field.name) field.value = one[field.name] ?? "";
    }
  };
  const rater = () => { try { return localStorage.getItem("demyelin-rater") ?? ""; } catch { return ""; } };
  const keep = (form) => {
    const data = new FormData(form), one = { rating: data.get("rating") ?? "", artefacts: data.getAll("artefacts"),
      comment: data.get("comment").trim(), rater: data.get("rater").trim(), date: new Date().toISOString().slice(0, 10) };
    try { localStorage.setItem("demyelin-rater", one.rater); } catch { /* private window */ }
    const kept = put(form.dataset.rating, one);
    form.querySelector("[role=status]").textContent = kept ? "Kept in this browser" : "This browser keeps nothing: download the rating";
    document.dispatchEvent(new CustomEvent("rated"));
  };
  for (const form of document.querySelectorAll("form[data-rating]")) {
    if (form.dataset.rating) fill(form);
    form.addEventListener("input", () => keep(form));
    form.addEventListener("submit", (event) => event.preventDefault());
    form.querySelector("[data-clear]").addEventListener("click", () => {
      put(form.dataset.rating, null);
      fill(form);
      form.querySelector("[role=status]").textContent = "Cleared";
      document.dispatchEvent(new CustomEvent("rated"));
    });
    for (const button of form.querySelectorAll("[data-save]")) {
      button.addEventListener("click", () => {
        const some = button.dataset.save === "all" ? visits() : [form.dataset.rating];
        save(some, button.dataset.save === "all" ? "ratings.tsv" : `${form.dataset.rating}_rating.tsv`);
      });
    }
  }
  return { get, fill };
})();
