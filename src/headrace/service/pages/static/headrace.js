/* What the pages cannot do without a script: a plot of the table beside it, and times that grow old. */
(function () {
  "use strict";

  var UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  var COLOURS = { done: "--good", failed: "--bad", other: "--warn" };

  function ago(time) {
    var seconds = (Date.now() - Date.parse(time.getAttribute("datetime"))) / 1000;
    if (Math.abs(seconds) < 5) { return "just now"; }
    for (var i = 0; i < UNITS.length; i += 1) {
      if (Math.abs(seconds) >= UNITS[i][0]) {
        var text = Math.floor(Math.abs(seconds) / UNITS[i][0]).toLocaleString("en-GB") + " " + UNITS[i][1];
        return seconds > 0 ? text + " ago" : "in " + text;
      }
    }
    return "just now";
  }

  function refreshTimes() {
    document.querySelectorAll("time[data-ago]").forEach(function (time) {
      var text = ago(time);
      if (time.textContent !== text) { time.textContent = text; }
    });
  }

  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  }

  function span(seconds) {
    if (seconds === null || seconds === undefined) { return ""; }
    if (seconds === 0) { return "0"; }
    if (seconds < 1) { return Math.round(seconds * 1000) + " ms"; }
    if (seconds < 60) { return Math.round(seconds * 10) / 10 + " s"; }
    if (seconds < 3600) { return Math.round(seconds / 6) / 10 + " min"; }
    return Math.round(seconds / 360) / 10 + " h";
  }

  function count(value) {
    if (value >= 1e6) { return Math.round(value / 1e5) / 10 + "M"; }
    if (value >= 1e4) { return Math.round(value / 1e3) + "k"; }
    return value.toLocaleString("en-GB");
  }

  function read(table) {
    return Array.prototype.map.call(table.tBodies[0].rows, function (row) {
      var status = row.dataset.status;
      return {
        at: Number(row.dataset.at) / 1e6,
        kind: status === "done" || status === "failed" ? status : "other",
        seconds: Number(row.dataset.seconds),
        rows: Number(row.dataset.rows)
      };
    });
  }

  function pick(runs, kind, field) {
    return runs.map(function (run) { return kind === null || run.kind === kind ? run[field] : null; });
  }

  // Steps of a scale that are round as times are.
  var TIMES = [0.001, 0.01, 0.1, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

  function axes(label) {
    var line = { stroke: colour("--line"), width: 1 };
    var font = "12px " + colour("--sans");
    return [
      { show: false },
      Object.assign({ stroke: colour("--soft"), grid: line, ticks: { show: false }, font: font, size: 56, gap: 4,
        values: function (plot, found) { return found.map(label); } }, label === span ? { incrs: TIMES } : {})
    ];
  }

  function draw(box, runs, title, series, data, label) {
    var heading = document.createElement("p");
    heading.className = "plot-title";
    heading.textContent = title;
    box.appendChild(heading);
    return new uPlot({
      width: Math.max(box.clientWidth, 200), height: 128, legend: { show: false }, cursor: { show: false },
      padding: [8, 4, 4, 0],
      scales: {
        x: { time: false, range: [-0.75, Math.max(runs.length, 12) - 0.25] },
        y: { range: function (plot, low, high) { return [0, high > 0 ? high * 1.1 : 1]; } }
      },
      axes: axes(label), series: [{}].concat(series)
    }, [runs.map(function (run, index) { return index; })].concat(data), box);
  }

  function plot(box) {
    var table = document.getElementById(box.dataset.plot);
    if (!table || typeof uPlot === "undefined") { return; }
    var runs = read(table);
    var bars = uPlot.paths.bars({ size: [0.7, 18], align: 0, radius: 0.15 });
    var durations = ["done", "other", "failed"].map(function (kind) {
      // What did not end well is an outline: told apart without its colour too.
      return { paths: bars, points: { show: false }, width: kind === "done" ? 0 : 2, stroke: colour(COLOURS[kind]),
        fill: kind === "done" ? colour(COLOURS[kind]) : "transparent" };
    });
    box.replaceChildren();
    box.plots = [
      draw(box, runs, "Duration", durations, ["done", "other", "failed"].map(function (kind) {
        return pick(runs, kind, "seconds");
      }), span),
      draw(box, runs, "Rows written", [{ paths: bars, points: { show: false }, width: 0, fill: colour("--accent") }],
        [pick(runs, null, "rows")], count)
    ];
  }

  function plots(root) {
    (root.querySelectorAll ? root : document).querySelectorAll("[data-plot]").forEach(plot);
  }

  function resize() {
    document.querySelectorAll("[data-plot]").forEach(function (box) {
      (box.plots || []).forEach(function (made) {
        made.setSize({ width: Math.max(box.clientWidth, 200), height: made.height });
      });
    });
  }

  document.addEventListener("DOMContentLoaded", function () {
    plots(document);
    refreshTimes();
    setInterval(refreshTimes, 5000);
    window.addEventListener("resize", resize);
    window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", function () { plots(document); });
  });
  document.addEventListener("htmx:afterSettle", function (event) {
    plots(event.target);
    refreshTimes();
    // The answer behind a row was asked for: who uses the keyboard goes on there.
    var origin = document.getElementById("why-title");
    if (origin && event.target.id === "origin") { origin.focus(); }
  });
})();
