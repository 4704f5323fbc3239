"""Make synthetic chest radiographs with known truth, no patient in any of them."""
