"""The ``hakone`` command and what ``make`` runs: compiler driver, sealing, demonstration, regression."""
