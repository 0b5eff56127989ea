//! Figures as a picture: one bar per ratio on a logarithmic scale, plain SVG.

use std::fmt::Write as _;

use crate::contest::Figure;

const ROW: usize = 18;
const TEXT_WIDTH: f64 = 480.0;
const DECADE: f64 = 70.0;

/// Bars to the right of the line: ours is better; to the left: theirs.
pub fn ratios(figures: &[Figure]) -> String {
    let axis = TEXT_WIDTH + 2.0 * DECADE;
    let (width, height) = (axis + 6.5 * DECADE, (figures.len() + 2) * ROW);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"11\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
    );
    for decade in -1..=5 {
        let x = axis + f64::from(decade) * DECADE;
        let label = 10f64.powi(decade);
        let _ = writeln!(
            svg,
            "<line x1=\"{x}\" x2=\"{x}\" y1=\"{ROW}\" y2=\"{height}\" stroke=\"#ddd\"/>\
             <text x=\"{x}\" y=\"12\" text-anchor=\"middle\" fill=\"#666\">{label}</text>"
        );
    }
    for (row, figure) in figures.iter().enumerate() {
        let y = (row + 1) * ROW;
        let length = figure.ratio.max(0.01).log10().clamp(-2.0, 5.5) * DECADE;
        let (x, color) = match length < 0.0 {
            true => (axis + length, "#c44"),
            false => (axis, "#386"),
        };
        let (length, baseline) = (length.abs().max(1.0), y + 12);
        let text = escaped(&format!("{} (against {})", figure.case, figure.peer));
        let _ = writeln!(
            svg,
            "<text x=\"4\" y=\"{baseline}\">{text}</text>\
             <rect x=\"{x}\" y=\"{}\" width=\"{length}\" height=\"10\" fill=\"{color}\"/>",
            y + 3
        );
    }
    svg.push_str("</svg>\n");
    svg
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
