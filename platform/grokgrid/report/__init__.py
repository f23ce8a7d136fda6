"""From a report to what people read.

terminal.show(report, console)    in a terminal, at any width
html.write(report, folder)        report.html, one self-contained page
files.write(report, folder)       each table as Parquet, CSV and LaTeX
figures.write(report, folder)     each figure as SVG and, if asked for, PDF; notes in the place of what cannot be drawn
"""
