"""The stack behind `make up`: embedded servers, and the supervision of every process of one installation."""
