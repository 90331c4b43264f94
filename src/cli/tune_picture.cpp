// SPDX-License-Identifier: MIT
//
// Three charts, one above the other, over the same axis: the numbers of workers, equally far apart as each is
// twice the one before. One line for each number of calls at once.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>

#include <fmt/format.h>

#include "cli/tune.hpp"

namespace muster::cli {
namespace {

constexpr double width = 720, left = 84, right = 24;
constexpr double top = 64, chart_height = 150, between = 56, bottom = 56;
constexpr int grid_lines = 4;
constexpr const char* ink = "#1f2933";
constexpr const char* dim = "#5f6c7b";
constexpr const char* grid = "#e4e8ec";
constexpr const char* mark = "#e8f3f0";
constexpr std::array colours = {"#3d8b7d", "#b0562f", "#4666b0", "#8a6d1f", "#7d4a8f", "#5f6c7b"};

/// As XML takes it: no markup of its own, and no control characters.
std::string xml_text(const std::string& text) {
  std::string made;
  for (const char c : text) {
    switch (c) {
      case '&': made += "&amp;"; break;
      case '<': made += "&lt;"; break;
      case '>': made += "&gt;"; break;
      case '"': made += "&quot;"; break;
      default: made += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? ' ' : c;
    }
  }
  return made;
}

std::string words(double x, double y, const std::string& text, const char* colour = dim,
                  const char* more = "") {
  return fmt::format("<text x=\"{:.1f}\" y=\"{:.1f}\" fill=\"{}\"{}>{}</text>\n", x, y, colour, more,
                     xml_text(text));
}

std::string line(double x1, double y1, double x2, double y2, const char* colour, double thick) {
  return fmt::format(
      "<line x1=\"{:.1f}\" y1=\"{:.1f}\" x2=\"{:.1f}\" y2=\"{:.1f}\" stroke=\"{}\" stroke-width=\"{}\"/>\n",
      x1, y1, x2, y2, colour, thick);
}

/// 1, 2 or 5 times a power of ten, not less than the value.
double round_up(double value) {
  if (value <= 0) return 1;
  const double unit = std::pow(10, std::floor(std::log10(value)));
  for (const double step : {1.0, 2.0, 5.0})
    if (value <= step * unit) return step * unit;
  return 10 * unit;
}

/// What one chart shows.
struct chart {
  std::string title;
  std::vector<std::function<double(const tune_figure&)>>
      curves;  // the first drawn through, the others dashed
  std::function<std::string(double)> label;
  bool has_range = false;  // of the rounds
};

std::array<chart, 3> charts() {
  return {chart{.title = "calls/s, and the range of the rounds",
                .curves = {[](const tune_figure& of) { return of.per_second; }},
                .label = short_number,
                .has_range = true},
          chart{.title = "how long a call takes: p50, dashed p99",
                .curves = {[](const tune_figure& of) { return of.p50; },
                           [](const tune_figure& of) { return of.p99; }},
                .label = [](double value) { return value > 0 ? short_time(value) : "0"; }},
          chart{.title = "memory of all workers",
                .curves = {[](const tune_figure& of) { return static_cast<double>(of.memory); }},
                .label = [](double value) { return short_size(static_cast<std::size_t>(value)); }}};
}

class drawing {
public:
  drawing(std::span<const tune_figure> figures, const std::optional<tune_advice>& advice)
      : figures_(figures), advice_(advice) {
    for (const tune_figure& each : figures) {
      add(workers_, each.size.workers);
      add(at_once_, each.size.at_once);
    }
  }

  std::string draw(const std::string& title) {
    std::string body = words(left, 26, title, ink, " font-weight=\"700\" font-size=\"14\"");
    double y = top;
    for (const chart& each : charts()) {
      body += draw_chart(each, y);
      y += chart_height + between;
    }
    body += draw_legend(y - between + bottom - 6);
    const double height = y - between + bottom + 8;
    return fmt::format(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" "
        "font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"{0}\" height=\"{1}\" "
        "fill=\"#ffffff\"/>\n{2}</svg>\n",
        width, height, body);
  }

private:
  static void add(std::vector<int>& to, int value) {
    if (std::ranges::find(to, value) == to.end()) to.push_back(value);
  }

  [[nodiscard]] double step() const { return (width - left - right) / static_cast<double>(workers_.size()); }
  [[nodiscard]] double x_of(int workers) const {
    const auto at = std::ranges::find(workers_, workers) - workers_.begin();
    return left + step() * (static_cast<double>(at) + 0.5);
  }
  [[nodiscard]] const char* colour_of(int at_once) const {
    const auto at = static_cast<std::size_t>(std::ranges::find(at_once_, at_once) - at_once_.begin());
    return colours[at % colours.size()];
  }

  std::string draw_chart(const chart& what, double y) const {
    double most = 0;
    for (const tune_figure& each : figures_) {
      for (const auto& curve : what.curves) most = std::max(most, curve(each));
      if (what.has_range) most = std::max(most, each.most);
    }
    most = round_up(most);
    const auto y_of = [&](double value) { return y + chart_height * (1 - value / most); };
    std::string text = draw_mark(y);
    for (int i = 0; i <= grid_lines; ++i) {
      const double value = most * i / grid_lines;
      text += line(left, y_of(value), width - right, y_of(value), grid, 1);
      text += words(left - 8, y_of(value) + 4, what.label(value), dim, " text-anchor=\"end\"");
    }
    for (const int each : workers_)
      text += words(x_of(each), y + chart_height + 18, std::to_string(each), dim, " text-anchor=\"middle\"");
    text += words(left, y - 10, what.title, ink);
    for (const int at_once : at_once_)
      for (std::size_t i = 0; i < what.curves.size(); ++i)
        text += draw_curve(at_once, what.curves[i], i > 0, y_of);
    if (what.has_range)
      for (const tune_figure& each : figures_)
        text += line(x_of(each.size.workers), y_of(each.least), x_of(each.size.workers), y_of(each.most),
                     colour_of(each.size.at_once), 1.5);
    return text;
  }

  // The recommended number of workers.
  [[nodiscard]] std::string draw_mark(double y) const {
    if (!advice_) return {};
    return fmt::format("<rect x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{}\" fill=\"{}\"/>\n",
                       x_of(figures_[advice_->at].size.workers) - step() / 2, y, step(), chart_height, mark);
  }

  [[nodiscard]] std::string draw_curve(int at_once, const std::function<double(const tune_figure&)>& value_of,
                                       bool dashed, const std::function<double(double)>& y_of) const {
    std::string points, dots;
    for (const tune_figure& each : figures_) {
      if (each.size.at_once != at_once) continue;
      const double x = x_of(each.size.workers), y = y_of(value_of(each));
      points += fmt::format("{}{:.1f},{:.1f}", points.empty() ? "" : " ", x, y);
      dots += fmt::format("<circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"3\" fill=\"{}\"/>\n", x, y,
                          colour_of(at_once));
    }
    return fmt::format("<polyline points=\"{}\" fill=\"none\" stroke=\"{}\" stroke-width=\"2\"{}/>\n{}",
                       points, colour_of(at_once), dashed ? " stroke-dasharray=\"5 4\"" : "", dots);
  }

  [[nodiscard]] std::string draw_legend(double y) const {
    std::string text = words(left, y, "workers", dim);
    double x = left + 72;
    if (at_once_.size() > 1)
      for (const int each : at_once_) {
        text += line(x, y - 4, x + 18, y - 4, colour_of(each), 2);
        text += words(x + 24, y, fmt::format("{} at once", each), dim);
        x += 104;
      }
    if (advice_)
      text += words(width - right, y, "recommended: " + size_text(figures_[advice_->at].size), ink,
                    " text-anchor=\"end\"");
    return text;
  }

  std::span<const tune_figure> figures_;
  const std::optional<tune_advice>& advice_;
  std::vector<int> workers_, at_once_;  // that occur, in the order in which they do
};

}  // namespace

std::string tune_picture(const std::string& title, std::span<const tune_figure> figures,
                         const std::optional<tune_advice>& advice) {
  return drawing(figures, advice).draw(title);
}

}  // namespace muster::cli
