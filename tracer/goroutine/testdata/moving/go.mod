module moving

go 1.22
