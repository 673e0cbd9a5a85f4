"""
Claims about speed and cost, measured: `make bench` runs all of them and writes results/.

    detection/   when to ask: questions and lag against the optimum
    clients/     side by side with the gateways' official clients
    bill/        what AWS would charge
    hot_paths/   cold starts, Submit's work for each order, the copy of an output
    batches/     dropped files
    report.py    how figures are written down
"""
