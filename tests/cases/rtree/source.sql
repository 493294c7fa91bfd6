CREATE VIRTUAL TABLE place USING rtree(id, min_x, max_x, min_y, max_y, +name TEXT); INSERT INTO place VALUES (1, 0.1, 1.5, -2, 2, 'here'), (2, 10, 11, 10, 11, NULL);
