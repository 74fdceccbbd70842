"use strict";
(async () => {
  const told = document.getElementById("told");
  const place = document.getElementById("place"), list = document.getElementById("lesions"), sides = document.getElementById("sides");
  const all = (what) => [...document.querySelectorAll(what)];
  try {
    const view = new niivue.Niivue({
      isRadiologicalConvention: false, backColor: [0, 0, 0, 1], dragAndDropEnabled: false, logLevel: "silent",
      crosshairWidth: 0.35, crosshairGap: 6, crosshairColor: [0.2, 0.85, 1, 0.8],
      onLocationChange: ({ mm }) => { place.textContent = `x ${mm[0].toFixed(1)}, y ${mm[1].toFixed(1)}, z ${mm[2].toFixed(1)} mm`; },
    });
    await view.attachTo("view");
    const volumes = all(".volume").map((one) => ({ ...one.dataset, base64: one.textContent }));
    for (const { name, colours, opacity, base64 } of volumes) {
      view.addVolume(await niivue.NVImage.loadFromBase64({
        base64, name: `${name}.nii.gz`, colormap: colours, opacity: Number(opacity), cal_min: 0, cal_max: 255,
      }));
    }
    const set = (at) => {
      const on = document.querySelector(`[data-show="${at}"]`).checked, fade = document.querySelector(`[data-fade="${at}"]`);
      view.setOpacity(Number(at), on ? Number(fade.value) / 100 : 0);
    };
    all("[data-show]").forEach((box) => box.addEventListener("change", () => set(box.dataset.show)));
    all("[data-fade]").forEach((slider) => slider.addEventListener("input", () => {
      document.querySelector(`[data-show="${slider.dataset.fade}"]`).checked = true;
      set(slider.dataset.fade);
    }));
    view.setSliceType(view.sliceTypeMultiplanar);
    const go = () => {
      if (!list?.selectedOptions.length) return;
      view.scene.crosshairPos = view.mm2frac(list.selectedOptions[0].dataset.place.split(" ").map(Number));
      view.createOnLocationChange();
      view.drawScene();
    };
    const asked = () => {
      const wish = location.hash.slice(1);
      if (list && [...list.options].some((one) => one.value === wish)) list.value = wish;
      go();
    };
    list?.addEventListener("change", go);
    all("[data-step]").forEach((button) => button.addEventListener("click", () => {
      list.selectedIndex = Math.min(Math.max(list.selectedIndex + Number(button.dataset.step), 0), list.options.length - 1);
      go();
    }));
    addEventListener("hashchange", asked);
    const turn = (radiological) => {
      view.setRadiologicalConvention(radiological);
      sides.setAttribute("aria-pressed", radiological);
      sides.textContent = radiological ? "Neurological view" : "Radiological view";
      document.getElementById("side").textContent = radiological ? "The person's left is on the right (radiological view)." : "The person's left is on the left (neurological view).";
      try { localStorage.setItem("demyelin-sides", radiological ? "radiological" : "neurological"); } catch { /* private window */ }
    };
    let wish = "";
    try { wish = localStorage.getItem("demyelin-sides"); } catch { /* private window */ }
    turn(wish === "radiological");
    sides.addEventListener("click", () => turn(sides.getAttribute("aria-pressed") !== "true"));
    asked();
    document.body.dataset.ready = volumes.length;
  } catch (error) {
    told.textContent = `The images cannot be shown here (${error.message}). They need a browser with WebGL2; the report's pictures do not.`;
  }
})();
