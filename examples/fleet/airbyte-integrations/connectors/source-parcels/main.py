from source_parcels.run import run

if __name__ == "__main__":
    run()
