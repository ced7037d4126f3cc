// Draws the plots of a receipt. It stands below the texts of units.js and plot.js, as one module.

const numberOf = (plot) => (value) => formatted(value, { unit: plot.unit });
const onAxis = (value) => formatted(value, { unit: "none" });

function drawAll() {
  for (const box of document.querySelectorAll(".plot")) {
    const plot = JSON.parse(box.dataset.plot), format = numberOf(plot);
    const made = { ...plot, format, formatX: onAxis, formatTick: onAxis, scales: { y: { ...plot.scale, format } } };
    const drawing = element("div"), table = element("div", { class: "scroll" }, figuresTable(made));
    box.replaceChildren(drawing, element("details", {}, element("summary", { text: "Figures" }), table));
    drawPlot(drawing, made);
  }
}

drawAll();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
