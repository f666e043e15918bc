// The overview's charts. Each answer of the live part brings its figures as JSON; what passes by is kept for three minutes.
"use strict";

(() => {
  const KEPT = 60;
  const COLOURS = ["#16a34a", "#f59e0b", "#dc2626", "#6366f1"];
  const JOB_COLOURS = { Completed: "#16a34a", Failed: "#dc2626", Running: "#6366f1", Pending: "#a1a1aa" };
  const names = (id) => (document.getElementById(id).dataset.names || "").split(",");
  const time = (seconds) => new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
  let before = null;

  function options(stacked) {
    const grid = { color: "rgba(128, 128, 128, .2)" };
    const ticks = { color: "#808080", maxRotation: 0, autoSkipPadding: 16 };
    return {
      animation: false, responsive: true, maintainAspectRatio: false,
      scales: { x: { stacked, grid: { display: false }, ticks }, y: { stacked, beginAtZero: true, grid, ticks: { ...ticks, precision: stacked ? 0 : undefined } } },
      plugins: { legend: { position: "bottom", labels: { color: "#808080", boxWidth: 12 } } },
    };
  }

  function line(id, labels) {
    const datasets = labels.map((label, i) => ({ label, data: [], borderColor: COLOURS[i % 4], backgroundColor: COLOURS[i % 4], pointRadius: 0, borderWidth: 2, tension: .2 }));
    return new Chart(document.getElementById(id), { type: "line", data: { labels: [], datasets }, options: options(false) });
  }

  function push(chart, label, values) {
    chart.data.labels.push(label);
    chart.data.datasets.forEach((set, i) => set.data.push(values[i]));
    if (chart.data.labels.length > KEPT) {
      chart.data.labels.shift();
      chart.data.datasets.forEach((set) => set.data.shift());
    }
    chart.update();
  }

  const charts = {};

  function jobs(hours) {
    charts.jobs ||= new Chart(document.getElementById("chart-jobs"), {
      type: "bar", options: options(true),
      data: { labels: [], datasets: Object.keys(JOB_COLOURS).map((status, i) => ({ label: names("chart-jobs")[i], data: [], backgroundColor: JOB_COLOURS[status] })) },
    });
    charts.jobs.data.labels = hours.map((row) => `${new Date(row.hour).getHours()}:00`);
    Object.keys(JOB_COLOURS).forEach((status, i) => { charts.jobs.data.datasets[i].data = hours.map((row) => row[status]); });
    charts.jobs.update();
  }

  function show(points) {
    const at = time(points.at);
    jobs(points.hours);
    charts.rate ||= line("chart-rate", names("chart-rate"));
    push(charts.rate, at, [(points.rate || 0) / 1e6]);
    charts.queues ||= line("chart-queues", Object.keys(points.queues));
    push(charts.queues, at, Object.values(points.queues));
    charts.requests ||= line("chart-requests", names("chart-requests"));
    if (before && points.at > before.at) {
      const each = (...classes) => Math.max(0, classes.reduce((sum, name) => sum + points.requests[name] - before.requests[name], 0) / (points.at - before.at));
      push(charts.requests, at, [each("2xx", "3xx"), each("4xx"), each("5xx")]);
    }
    before = points;
  }

  const lost = (hidden) => () => { document.getElementById("lost").hidden = hidden; };
  document.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id !== "live") return;
    show(JSON.parse(document.getElementById("points").textContent));
    lost(true)();
  });
  document.addEventListener("htmx:sendError", lost(false));
  document.addEventListener("htmx:responseError", lost(false));
})();
