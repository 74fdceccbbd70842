"use strict";
(async () => {
  const told = document.getElementById("told");
  const all = (what) => [...document.querySelectorAll(what)];
  try {
    const view = new niivue.Niivue({
      isRadiologicalConvention: false, backColor: [0, 0, 0, 1], dragAndDropEnabled: false, logLevel: "silent",
      crosshairWidth: 0.35, crosshairGap: 6, crosshairColor: [0.2, 0.85, 1, 0.8],
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
    const start = document.getElementById("view").dataset.start;
    if (start) {
      view.scene.crosshairPos = view.mm2frac(start.split(" ").map(Number));
      view.drawScene();
    }
    document.body.dataset.ready = volumes.length;
  } catch (error) {
    told.textContent = `The images cannot be shown here (${error.message}). They need a browser with WebGL2; the report's pictures do not.`;
  }
})();
