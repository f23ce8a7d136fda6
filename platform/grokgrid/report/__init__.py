"""From an answer to what people read.

terminal.show(answer, console)    in a terminal, at any width
html.write(answer, folder)        report.html, one self-contained page
files.write(answer, folder)       each table as Parquet, CSV and LaTeX, each figure as SVG and, if asked for, PDF
"""
